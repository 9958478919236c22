package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** All pieces together are the decoded text, up to the first stop string. */
class StreamingDecoderTest {
  @ParameterizedTest
  @ValueSource(strings = {"qwen3", "qwen2.5", "minimind2-small", "tiny"})
  void piecesAreTheTextUpToTheFirstStop(String name) {
    Tokenizer tokenizer = RealTokenizers.get(name);
    var random = new Random(name.hashCode());
    int stopped = 0;
    for (int round = 0; round < 2000; round++) {
      int[] ids = randomIds(tokenizer, random);
      boolean skip = random.nextBoolean();
      String all = tokenizer.decode(ids, skip);
      List<String> stops = randomStops(all, random);
      if (skip && !stops.isEmpty()) { // or they would be searched: see the next test
        ids = Arrays.stream(ids).filter(id -> !tokenizer.isSpecial(id)).toArray();
      }
      var decoder = new StreamingDecoder(tokenizer, stops, skip);
      var pieces = new StringBuilder();
      for (int id : ids) {
        String piece = decoder.add(id);
        assertTrue(Surrogates.lone(piece) < 0, "half a character");
        pieces.append(piece);
      }
      pieces.append(decoder.finish());
      String expected = cut(all, stops);
      assertEquals(expected, pieces.toString(), () -> "stops " + stops);
      assertEquals(expected, decoder.text());
      assertEquals(stops.stream().anyMatch(all::contains), decoder.stopped());
      stopped += decoder.stopped() ? 1 : 0;
    }
    assertTrue(stopped > 200 && stopped < 1800, "stopped in " + stopped);
  }

  /** Special tokens are searched with the text, wherever they stand, and not handed out. */
  @Test
  void stopsAreSearchedInSpecialTokensToo() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    List<String> words =
        List.of("Tom", " has", "<|im_end|>", " 3", "<|im_start|>", "🙃", "数学", "<");
    var random = new Random(11);
    int stopped = 0;
    for (int round = 0; round < 3000; round++) {
      List<String> pieces =
          random.ints(1 + random.nextInt(12), 0, words.size()).mapToObj(words::get).toList();
      String all = String.join("", pieces);
      List<String> stops = randomStops(all, random);
      int end = cut(all, stops).length();
      var expected = new StringBuilder();
      int at = 0;
      for (String piece : pieces) {
        if (!piece.startsWith("<|")) {
          expected.append(piece, 0, Math.clamp(end - at, 0, piece.length()));
        }
        at += piece.length();
      }
      var decoder = new StreamingDecoder(qwen, stops, true);
      var found = new StringBuilder();
      for (String piece : pieces) {
        for (int id : qwen.encode(piece)) {
          found.append(decoder.add(id));
        }
      }
      found.append(decoder.finish());
      assertEquals(expected.toString(), found.toString(), () -> all + " with stops " + stops);
      assertEquals(stops.stream().anyMatch(all::contains), decoder.stopped());
      stopped += decoder.stopped() ? 1 : 0;
    }
    assertTrue(stopped > 500 && stopped < 2500, "stopped in " + stopped);
  }

  /** A special token between the bytes of a character, which the text without it makes whole. */
  @Test
  void aSpecialTokenWithinACharacter() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    int end = qwen.id("<|im_end|>").orElseThrow();
    int[] bytes = {qwen.id("ð").orElseThrow(), qwen.id("Ł").orElseThrow()};
    for (String stop : List.of("x", "\uFFFD<|im_end|>")) {
      var decoder = new StreamingDecoder(qwen, List.of(stop), true);
      String text = decoder.add(bytes[0]) + decoder.add(end) + decoder.add(bytes[1]);
      text += decoder.add(qwen.id("Ļ").orElseThrow()) + decoder.add(qwen.id("Ĥ").orElseThrow());
      text += decoder.finish();
      assertEquals(stop.equals("x") ? "\uD83D\uDE42" : "", text);
      assertEquals(!stop.equals("x"), decoder.stopped());
    }
  }

  @Test
  void textComesOutAtOnce() {
    Tokenizer tokenizer = RealTokenizers.get("qwen3");
    var decoder = new StreamingDecoder(tokenizer, List.of("\n\n"), true);
    for (int id : tokenizer.encode("Tom has 3 apples. 数学题")) {
      assertEquals(tokenizer.decode(new int[] {id}, true), decoder.add(id));
    }
  }

  @Test
  void aCharacterInPiecesIsHeldBack() {
    Tokenizer tiny = RealTokenizers.get("tiny");
    int[] ids = tiny.encode("🙃"); // four tokens, one byte each
    assertEquals(4, ids.length);
    var decoder = new StreamingDecoder(tiny, List.of(), true);
    assertEquals("", decoder.add(ids[0]) + decoder.add(ids[1]) + decoder.add(ids[2]));
    assertEquals("🙃", decoder.add(ids[3]));

    var cut = new StreamingDecoder(tiny, List.of(), true);
    assertEquals("", cut.add(ids[0]) + cut.add(ids[1]));
    assertEquals("\uFFFD", cut.finish());
    assertEquals("\uFFFD", tiny.decode(new int[] {ids[0], ids[1]}, true));
  }

  @Test
  void aStopStringThatDoesNotGoOnIsText() {
    Tokenizer tiny = RealTokenizers.get("tiny");
    var decoder = new StreamingDecoder(tiny, List.of("</think>"), true);
    assertEquals("x", feed(decoder, tiny, "x</th"));
    assertEquals("</th", decoder.finish());
    assertEquals("", decoder.finish());
    assertEquals("x</th", decoder.text());
    assertFalse(decoder.stopped());
    assertThrows(IllegalStateException.class, () -> decoder.add(0));
  }

  @Test
  void aStopStringInTheMiddleOfAToken() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    int id = qwen.id("Ġreasoning").orElseThrow();
    var decoder = new StreamingDecoder(qwen, List.of("son"), true);
    assertEquals(" rea", decoder.add(id));
    assertTrue(decoder.stopped());
    assertEquals("", decoder.add(id));
    assertEquals("", decoder.finish());
    assertEquals(" rea", decoder.text());
  }

  @Test
  void stopStringsOverlapThemselvesAndEachOther() {
    Tokenizer tiny = RealTokenizers.get("tiny");
    assertEquals("xa", stopped(tiny, "xaaab!", "aab"));
    assertEquals("aba", stopped(tiny, "abababc", "babc"));
    assertEquals("x", stopped(tiny, "xabcde", "cd", "abcd")); // complete together: the longest
    assertEquals("xa", stopped(tiny, "xabcde", "abcde", "bcd")); // complete first
    assertEquals("", stopped(tiny, "🙂🙃", "🙂"));
    assertEquals("🙃", stopped(tiny, "🙃🙂", "🙂")); // their first three bytes are equal
  }

  /** A beginning that does not go on may hold another beginning: behind every one of 729 texts. */
  @Test
  void aStopStringThatBeginsAgainInItself() {
    Tokenizer tiny = RealTokenizers.get("tiny");
    for (String stop : List.of("aabaaac", "abababc", "aaab", "abcabd")) {
      for (int n = 0; n < 729; n++) {
        var before = new StringBuilder();
        for (int digits = n, i = 0; i < 6; i++, digits /= 3) {
          before.append("abc".charAt(digits % 3));
        }
        String text = before + stop;
        var decoder = new StreamingDecoder(tiny, List.of(stop), true);
        for (int id : tiny.encode(text)) {
          decoder.add(id);
        }
        decoder.finish();
        assertEquals(text.substring(0, text.indexOf(stop)), decoder.text(), text + ", " + stop);
        assertTrue(decoder.stopped(), text);
      }
    }
  }

  @Test
  void aStopStringMustBeText() {
    Tokenizer tiny = RealTokenizers.get("tiny");
    for (String stop : List.of("", "\uDE42")) {
      assertThrows(
          IllegalArgumentException.class, () -> new StreamingDecoder(tiny, List.of(stop), true));
    }
  }

  @Test
  void specialTokensAreTextOnlyIfAsked() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    int[] ids = qwen.encode("a<|im_end|><think>b");
    for (boolean skip : new boolean[] {true, false}) {
      var decoder = new StreamingDecoder(qwen, List.of(), skip);
      for (int id : ids) {
        decoder.add(id);
      }
      decoder.finish();
      assertEquals(skip ? "a<think>b" : "a<|im_end|><think>b", decoder.text());
    }
  }

  private static String feed(StreamingDecoder decoder, Tokenizer tokenizer, String text) {
    var pieces = new StringBuilder();
    for (int id : tokenizer.encode(text)) {
      pieces.append(decoder.add(id));
    }
    return pieces.toString();
  }

  private static String stopped(Tokenizer tokenizer, String text, String... stops) {
    var decoder = new StreamingDecoder(tokenizer, List.of(stops), true);
    String pieces = feed(decoder, tokenizer, text) + decoder.finish();
    assertTrue(decoder.stopped());
    return pieces;
  }

  /** Single bytes, any ids and ids of nothing, in turn. */
  private static int[] randomIds(Tokenizer tokenizer, Random random) {
    int bound = random.nextBoolean() ? 256 : tokenizer.vocabularySize() + 2;
    int specials = random.nextInt(4) == 0 ? 5 : 0;
    return random
        .ints(1 + random.nextInt(40), 0, bound)
        .map(id -> random.nextInt(10) < specials ? tokenizer.vocabularySize() - 1 - id % 5 : id)
        .toArray();
  }

  /** Parts of the text, and parts of it that go on differently. */
  private static List<String> randomStops(String text, Random random) {
    var stops = new ArrayList<String>();
    for (int i = random.nextInt(4); i > 0 && !text.isEmpty(); i--) {
      int from = text.offsetByCodePoints(0, random.nextInt(text.codePointCount(0, text.length())));
      int most = Math.min(4, text.codePointCount(from, text.length()));
      String part = text.substring(from, text.offsetByCodePoints(from, 1 + random.nextInt(most)));
      stops.add(random.nextInt(3) > 0 ? part + (char) ('\u2460' + random.nextInt(20)) : part);
    }
    return stops;
  }

  /** Where the first complete stop string begins, the longest if several end there: by search. */
  private static String cut(String text, List<String> stops) {
    for (int end = 0; end <= text.length(); end++) {
      String head = text.substring(0, end);
      int longest = stops.stream().filter(head::endsWith).mapToInt(String::length).max().orElse(0);
      if (longest > 0) {
        return head.substring(0, end - longest);
      }
    }
    return text;
  }
}
