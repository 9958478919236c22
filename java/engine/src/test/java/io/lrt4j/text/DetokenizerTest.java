package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.UnsupportedModelException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Decoders of the SentencePiece kind; expected texts are those of tokenizers 0.23.2. */
class DetokenizerTest {
  private static final List<List<String>> TOKENS =
      List.of(
          List.of("▁Hello", "▁world", "!"),
          List.of("▁▁two", "▁"),
          List.of("▁", "<0xE4>", "<0xB8>", "<0xAD>", "x"),
          List.of("<0xE4>", "<0xB8>", "▁a"),
          List.of("<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "<0xFF>"),
          List.of("a", "<0x0A>", "▁b"),
          List.of(" ▁x"),
          List.of("<0xe4>", "<0xb8>", "<0xad>"),
          List.of());

  @Test
  void llama2() throws JsonProcessingException {
    expect(
        """
        {"type": "Sequence", "decoders": [
          {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
          {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
        """,
        "Hello world!",
        " two ",
        "中x",
        "��" + " a",
        "�".repeat(5),
        "a\n b",
        " x",
        "中",
        "");
  }

  @Test
  void metaspace() throws JsonProcessingException {
    String bytes = "<0xF0><0x9F><0x99><0x82><0xFF>";
    expect(
        """
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}
        """,
        "Hello world!",
        "two ",
        "<0xE4><0xB8><0xAD>x",
        "<0xE4><0xB8> a",
        bytes,
        "a<0x0A> b",
        " x",
        "<0xe4><0xb8><0xad>",
        "");
    expect(
        """
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true}
        """,
        " Hello world!",
        "  two ",
        " <0xE4><0xB8><0xAD>x",
        "<0xE4><0xB8> a",
        bytes,
        "a<0x0A> b",
        "  x",
        "<0xe4><0xb8><0xad>",
        "");
    expect(
        """
        {"type": "Sequence", "decoders": [{"type": "ByteFallback"},
          {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]}
        """,
        "Hello world!",
        "two ",
        "中x",
        "��" + " a",
        "�".repeat(5),
        "a\n b",
        " x",
        "中",
        "");
  }

  @Test
  void stripsEveryTokenThatIsNotFused() throws JsonProcessingException {
    String strip = "{\"type\": \"Strip\", \"content\": \"a\", \"start\": 2, \"stop\": 0}";
    assertEquals("abbb", decode(strip, List.of("aaab", "ab", "b")));
  }

  @Test
  void bytesAndTokensThatAreNoBytes() throws JsonProcessingException {
    assertEquals(
        " a中é<|x y|>", decode("{\"type\": \"ByteLevel\"}", List.of("Ġa", "中", "Ã©", "<|x y|>")));
  }

  /** As in the Unicode Standard, section 3.9: one U+FFFD for each maximal part. */
  @Test
  void longerFormsSurrogatesAndWhatIsBeyondUnicodeAreNoCharacters() {
    for (String bytes :
        List.of(
            "C0 80 2",
            "C1 BF 2",
            "E0 80 80 3",
            "E0 9F BF 3",
            "ED A0 80 3",
            "F0 80 80 80 4",
            "F0 8F BF BF 4",
            "F4 90 80 80 4",
            "F5 80 80 80 4",
            "C3 1",
            "E2 82 1",
            "F0 9F 98 1")) {
      String[] parts = bytes.split(" ");
      var decoder = new Utf8Decoder();
      var out = new StringBuilder();
      for (int i = 0; i < parts.length - 1; i++) {
        decoder.add((byte) Integer.parseInt(parts[i], 16), out);
      }
      decoder.finish(out);
      assertEquals(
          "\uFFFD".repeat(Integer.parseInt(parts[parts.length - 1])), out.toString(), bytes);
    }
  }

  @Test
  void whatIsNotRunIsRefused() {
    for (String decoder :
        List.of(
            "{\"type\": \"WordPiece\"}",
            "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a\"}, \"content\": \"\"}",
            "{\"type\": \"Strip\", \"content\": \" \", \"start\": 0, \"stop\": 1}",
            "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, {\"type\":"
                + " \"ByteFallback\"}]}",
            "null")) {
      assertThrows(UnsupportedModelException.class, () -> decode(decoder, List.of()));
    }
  }

  private static void expect(String decoder, String... texts) throws JsonProcessingException {
    assertEquals(TOKENS.size(), texts.length);
    for (int i = 0; i < texts.length; i++) {
      assertEquals(texts[i], decode(decoder, TOKENS.get(i)));
    }
  }

  private static String decode(String decoder, List<String> tokens) throws JsonProcessingException {
    Detokenizer detokenizer = Detokenizer.of(new ObjectMapper().readTree(decoder)).get();
    var out = new StringBuilder();
    tokens.forEach(token -> detokenizer.add(token, out));
    detokenizer.finish(out);
    return out.toString();
  }
}
