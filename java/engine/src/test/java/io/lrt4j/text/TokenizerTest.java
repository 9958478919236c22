package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.Fixtures;
import io.lrt4j.QuestionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ids and text against what the Python library gives. */
class TokenizerTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama-rope3-bf16",
        "qwen2-bias-bf16",
        "qwen2-tied-f16",
        "qwen3-tied-bf16",
        "qwen3-untied-f32-sharded",
        "qwen3-yarn-bf16"
      })
  void conformance(String name) {
    Path directory = Fixtures.dir("conformance/" + name);
    JsonNode cases = Fixtures.json(directory.resolve("expected.json")).get("tokenizer");
    assertFalse(cases.isEmpty());
    try (var tokenizer = Tokenizer.load(directory)) {
      for (JsonNode one : cases) {
        int[] ids = RealTokenizers.ids(one.get("ids"));
        assertArrayEquals(ids, tokenizer.encode(one.get("text").textValue()));
        assertEquals(one.get("decoded").textValue(), tokenizer.decode(ids, false));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"qwen3, qwen3", "qwen2.5, qwen2_5"})
  void knownVectors(String name, String key) {
    Tokenizer tokenizer = RealTokenizers.get(name);
    JsonNode samples = RealTokenizers.vectors("sample_ids.json").get("samples");
    assertFalse(samples.isEmpty());
    for (JsonNode sample : samples) {
      String text = sample.get("text").textValue();
      int[] ids = RealTokenizers.ids(sample.get(key));
      assertArrayEquals(ids, tokenizer.encode(text), text);
    }
    int chats = 0;
    for (var chat : RealTokenizers.vectors("chat_template_samples.json").properties()) {
      if (chat.getKey().startsWith(key + "/")) {
        int[] ids = RealTokenizers.ids(chat.getValue().get("ids"));
        assertArrayEquals(ids, tokenizer.encode(chat.getValue().get("text").textValue()));
        chats++;
      }
    }
    assertTrue(chats > 0);
  }

  @Test
  void llamaCppVectors() throws IOException {
    Path directory = Fixtures.dir("tokenizers/vectors");
    String texts = Files.readString(directory.resolve("ggml-vocab-qwen2.gguf.inp"));
    List<String> ids = Files.readAllLines(directory.resolve("ggml-vocab-qwen2.gguf.out"));
    String[] text = texts.split("\n__ggml_vocab_test__\n", -1);
    assertTrue(text.length >= ids.size() && ids.size() > 40, text.length + ", " + ids.size());
    for (int i = 0; i < ids.size(); i++) {
      int[] actual = RealTokenizers.get("qwen2.5").encode(text[i]);
      assertEquals(ids.get(i).strip(), join(actual), text[i]);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen3", "qwen2.5"})
  void randomText(String name) {
    JsonNode random = RealTokenizers.vectors("random.json.gz");
    JsonNode texts = random.get("texts");
    assertEquals(2000, texts.size());
    for (int i = 0; i < texts.size(); i++) {
      String text = texts.get(i).textValue();
      assertEquals(
          random.get("ids").get(name).get(i).textValue(),
          join(RealTokenizers.get(name).encode(text)),
          text);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen3", "qwen2.5", "minimind2-small", "tiny"})
  void randomIds(String name) {
    JsonNode rows = RealTokenizers.vectors("random.json.gz").get("decoded").get(name);
    assertEquals(150, rows.size());
    for (JsonNode row : rows) {
      int[] ids = RealTokenizers.ids(row.get(0));
      assertEquals(row.get(1).textValue(), RealTokenizers.get(name).decode(ids, false));
      assertEquals(row.get(2).textValue(), RealTokenizers.get(name).decode(ids, true));
    }
  }

  @Test
  void vocabulary() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    assertEquals(151669, qwen.vocabularySize());
    assertEquals(OptionalInt.of(151667), qwen.id("<think>"));
    assertEquals(OptionalInt.of(14990), qwen.id("hello"));
    assertEquals(OptionalInt.empty(), qwen.id("<no such token>"));
    assertTrue(qwen.isSpecial(151645));
    assertFalse(qwen.isSpecial(151667), "<think> is text");
    assertFalse(qwen.isSpecial(0));
    assertFalse(qwen.isSpecial(-1));
    assertFalse(qwen.isSpecial(Integer.MAX_VALUE));
    assertEquals(OptionalInt.empty(), RealTokenizers.get("qwen2.5").id("<think>"));
  }

  @Test
  void idsWithoutTokenSayNothing() {
    Tokenizer tiny = RealTokenizers.get("tiny");
    int[] ids = {0, tiny.vocabularySize(), Integer.MAX_VALUE, 1};
    assertEquals("!\"", tiny.decode(ids, false));
    assertEquals("\"", tiny.decode(ids, 1, 4, false));
    assertEquals("", tiny.decode(ids, 4, 4, false));
    assertThrows(IllegalArgumentException.class, () -> tiny.decode(new int[] {-1}, false));
    assertThrows(IndexOutOfBoundsException.class, () -> tiny.decode(ids, 2, 5, false));
  }

  @Test
  void whatIsNoUnicodeIsRefused() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    for (String text : List.of("ab\uD83D", "ab\uDE42\uD83D", "ab\uD83Dc")) {
      var e = assertThrows(QuestionException.class, () -> qwen.encode(text));
      assertTrue(String.valueOf(e.getMessage()).endsWith("at index 2"));
    }
    assertEquals("a\0b", qwen.decode(qwen.encode("a\0b"), false));
    assertEquals(0, qwen.encode("").length);
  }

  /** A library that gives up here would take the JVM with it. */
  @Test
  void theLongestTextIsEncoded() {
    Tokenizer qwen = RealTokenizers.get("qwen3");
    String spaces = " ".repeat(Tokenizer.MAX_CHARS - 1);
    assertEquals(spaces + "x", qwen.decode(qwen.encode(spaces + "x"), false));
    assertThrows(QuestionException.class, () -> qwen.encode(spaces + "xx"));
  }

  @Test
  void nothingIsTruncatedOrPadded(@TempDir Path directory) throws IOException {
    Path tiny = Fixtures.dir("conformance/qwen3-tied-bf16");
    String json = Files.readString(tiny.resolve("tokenizer.json"));
    String limited =
        json.replaceFirst(
                "\"truncation\": *null",
                """
                "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}\
                """)
            .replaceFirst(
                "\"padding\": *null",
                """
                "padding": {"strategy": {"Fixed": 99}, "direction": "Right", "pad_to_multiple_of": null, \
                "pad_id": 0, "pad_type_id": 0, "pad_token": "!"}\
                """);
    assertTrue(limited.contains("Fixed") && limited.contains("LongestFirst"));
    Files.writeString(directory.resolve("tokenizer.json"), limited);
    try (var tokenizer = Tokenizer.load(directory)) {
      String text = "What is 12+30?";
      assertArrayEquals(RealTokenizers.get("tiny").encode(text), tokenizer.encode(text));
    }
  }

  @Test
  void theConfigAddsSpecialTokens(@TempDir Path directory) throws IOException {
    Path tiny = Fixtures.dir("conformance/qwen3-tied-bf16");
    Files.copy(tiny.resolve("tokenizer.json"), directory.resolve("tokenizer.json"));
    int next = RealTokenizers.get("tiny").vocabularySize();
    Files.writeString(
        directory.resolve("tokenizer_config.json"),
        """
        {"bos_token": "!", "pad_token": {"content": "#"}, "added_tokens_decoder":
          {"%d": {"content": "<new>", "special": true}}}
        """
            .formatted(next));
    try (var tokenizer = Tokenizer.load(directory)) {
      int[] ids = tokenizer.encode("a<new>!#");
      assertEquals(next, ids[1]);
      assertEquals("a<new>!#", tokenizer.decode(ids, false));
      assertEquals("a", tokenizer.decode(ids, true));
    }
  }

  @Test
  void threadsShareOneAndClosingWaits() throws Exception {
    String text = "Tom has 3 apples, 数学题, don't <|im_end|>\n".repeat(20);
    Tokenizer tokenizer = Tokenizer.load(Fixtures.dir("conformance/qwen3-tied-bf16"));
    int[] expected = tokenizer.encode(text);
    try (var threads = Executors.newFixedThreadPool(4)) {
      List<Future<Integer>> counts = new ArrayList<>();
      Callable<Integer> encodeUntilClosed =
          () -> {
            for (int i = 0; ; i++) {
              try {
                assertArrayEquals(expected, tokenizer.encode(text));
                assertEquals(text, tokenizer.decode(expected, false));
              } catch (IllegalStateException closed) {
                return i;
              }
            }
          };
      for (int i = 0; i < 4; i++) {
        counts.add(threads.submit(encodeUntilClosed));
      }
      for (int i = 0; i < 100; i++) {
        assertArrayEquals(expected, tokenizer.encode(text));
      }
      tokenizer.close();
      tokenizer.close();
      for (Future<Integer> count : counts) {
        assertTrue(count.get() >= 0);
      }
    }
    assertThrows(IllegalStateException.class, () -> tokenizer.encode("a"));
    assertThrows(IllegalStateException.class, () -> tokenizer.decode(expected, false));
  }

  private static String join(int[] ids) {
    return String.join(" ", Arrays.stream(ids).mapToObj(String::valueOf).toList());
  }
}
