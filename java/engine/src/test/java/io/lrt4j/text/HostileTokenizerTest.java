package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Fixtures;
import io.lrt4j.Fuzz;
import io.lrt4j.LrtException;
import io.lrt4j.TokenizerException;
import io.lrt4j.UnsupportedModelException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Damaged and hostile files are answered by one sentence. A crash would end the test run. */
class HostileTokenizerTest {
  private static final String SOUND =
      """
      {"version": "1.0", "truncation": null, "padding": null,
       "added_tokens": [{"id": 4, "content": "<end>", "single_word": false, "lstrip": false,
         "rstrip": false, "normalized": false, "special": true}],
       "normalizer": {"type": "NFC"},
       "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
         {"type": "Split", "pattern": {"Regex": "a+|b"}, "behavior": "Isolated", "invert": false},
         {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
       "post_processor": null,
       "decoder": {"type": "ByteLevel"},
       "model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false,
         "continuing_subword_prefix": null, "end_of_word_suffix": null, "byte_fallback": false,
         "vocab": {"a": 0, "b": 1, "aa": 2, "c": 3}, "merges": [["a", "a"]]}}
      """;

  @TempDir private Path directory;
  private Path file;

  @BeforeEach
  void sound() throws IOException {
    file = directory.resolve("tokenizer.json");
    Files.writeString(file, SOUND);
    try (var tokenizer = Tokenizer.load(directory)) {
      assertEquals("[2, 1, 4]", Arrays.toString(tokenizer.encode("aab<end>")));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      textBlock =
          """
          {"version"            ~ ["version"              ~ it is no JSON object
          "fuse_unk": false,    ~ "fuse_unk": false       ~ not valid JSON
          "b": 1                ~ "a": 1                  ~ Duplicate
          "b": 1                ~ "b": 0                  ~ tokenizer.json: "a" and "b" have one id, 0
          "b": 1                ~ "b": -1                 ~ the id of "b" is -1, expected 0 to
          "b": 1                ~ "b": 4294967296         ~ the id of "b" is 4294967296, expected
          "b": 1                ~ "b": 99999999999999999999999 ~ not valid JSON
          "b": 1                ~ "b": 1.0                ~ the id of "b" is 1.0, expected
          "b": 1                ~ "b": "1"                ~ the id of "b" is 1, expected
          "id": 4               ~ "id": 7                 ~ the added token "<end>" has the id 7, expected 4
          "id": 4               ~ "id": "4"               ~ "<end>" has no id
          "<end>"               ~ "\\ud800"               ~ no "content"
          "<end>"               ~ ""                      ~ no "content"
          "lstrip": false       ~ "lstrip": 1             ~ "lstrip" of "<end>" is neither true nor false
          [["a", "a"]]          ~ [["a", "q"]]            ~ tokenizer.json
          [["a", "a"]]          ~ [["a"]]                 ~ tokenizer.json
          [["a", "a"]]          ~ {}                      ~ "merges" is no list
          "BPE"                 ~ "Unigram"               ~ does not run the tokenizer model "Unigram"
          "type": "BPE",        ~ ``                      ~ its model has no "type"
          "model"               ~ "madel"                 ~ it has no "model"
          "dropout": null       ~ "dropout": 0.1          ~ does not run the model setting "dropout": 0.1
          "continuing_subword_prefix": null ~ "continuing_subword_prefix": "##" ~ continuing_subword_prefix
          {"type": "NFC"}       ~ {"type": "Precompiled", "precompiled_charsmap": "AAAA"} ~ the normalizer "Precompiled"
          {"type": "NFC"}       ~ {"type": "Replace", "pattern": {"String": ""}, "content": "x"} ~ it is empty
          {"type": "NFC"}       ~ 7                       ~ the normalizer ""
          a+|b                  ~ (a*)*b                  ~ unbounded repetition inside a group
          a+|b                  ~ \\p{Nonsense}           ~ tokenizer.json
          "Isolated"            ~ "Sideways"              ~ tokenizer.json
          "type": "Split"       ~ "type": "Bert"          ~ the pre-tokenizer "Bert"
          {"type": "ByteLevel"} ~ {"type": "Strip", "content": " ", "start": 0, "stop": 9} ~ strips the ends
          {"type": "ByteLevel"} ~ {"type": "CTC"}         ~ the decoder "CTC"
          {"type": "ByteLevel"} ~ null                    ~ a tokenizer without a "decoder"
          """)
  void oneSentence(String from, String to, String expected) throws IOException {
    assertTrue(SOUND.contains(from), from);
    Files.writeString(file, SOUND.replace(from, to));
    refused(expected);
  }

  @Test
  void missingHugeAndCutFiles() throws IOException {
    byte[] sound = SOUND.getBytes(StandardCharsets.UTF_8);
    for (int length = 0; length < sound.length - 2; length += 7) {
      Files.write(file, Arrays.copyOf(sound, length));
      refused("tokenizer.json: ");
    }
    Files.writeString(file, SOUND + "{}");
    refused("something follows the JSON object");
    sound[SOUND.indexOf("<end>")] = (byte) 0xFF;
    Files.write(file, sound);
    refused("it is not UTF-8");
    Files.writeString(file, "[".repeat(100_000));
    refused("it is no JSON object");
    Files.writeString(file, "{\"normalizer\":" + "[".repeat(100_000));
    refused("not valid JSON");
    Files.delete(file);
    refused("there is no such file");
    Files.createDirectory(file);
    refused("expected a regular file, found a directory");
    Files.delete(file);
    try (var huge = new RandomAccessFile(file.toFile(), "rw")) {
      huge.setLength(1L << 40);
    }
    refused("expected at most 67108864 bytes");
  }

  @Test
  void aDamagedConfig() throws IOException {
    Path config = directory.resolve("tokenizer_config.json");
    Files.writeString(config, "{");
    refused("tokenizer_config.json: it is not valid JSON");
    refused("expected close marker for Object (start marker at line: 1, column: 1)");
    Files.writeString(config, "[]");
    refused("tokenizer_config.json: it is no JSON object");
    Files.writeString(config, "{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}");
    refused("an added token has no number for id");
    Files.writeString(config, "{\"split_special_tokens\": true}");
    refused("does not run \"split_special_tokens\": true");
  }

  /** As costly as is accepted, on the longest text, all of which one match then takes. */
  @ParameterizedTest
  @ValueSource(strings = {"\\\\s*a|\\\\s*b|\\\\s*c|\\\\s*d|\\\\s+", "\\\\s?\\\\s?\\\\s*c|\\\\s+"})
  void theCostliestPattern(String pattern) throws IOException {
    Files.writeString(file, SOUND.replace("a+|b", pattern));
    try (var tokenizer = Tokenizer.load(directory)) {
      String text = " ".repeat(Tokenizer.MAX_CHARS - 1) + "a";
      assertEquals("a", tokenizer.decode(tokenizer.encode(text), false));
    }
  }

  @Test
  void mutations() throws IOException {
    byte[] tiny =
        Files.readAllBytes(Fixtures.dir("conformance/qwen3-tied-bf16").resolve("tokenizer.json"));
    byte[][] sources = {SOUND.getBytes(StandardCharsets.UTF_8), tiny};
    var random = new Random(7);
    int loaded = 0;
    int rounds = 600 * Fuzz.FACTOR; // the same ones each time
    for (int i = 0; i < rounds; i++) {
      byte[] source = sources[i % 8 == 0 ? 1 : 0];
      Files.write(file, mutate(source, random));
      try (var tokenizer = Tokenizer.load(directory)) {
        loaded++;
        int[] ids = tokenizer.encode("aaab aab c<end>e\u0301 \r\n 数学 \uFB2C12");
        tokenizer.decode(ids, false);
      } catch (TokenizerException | UnsupportedModelException e) {
        oneLine(e);
      }
    }
    assertTrue(loaded > rounds / 30 && loaded < rounds - rounds / 30, "loaded " + loaded);
  }

  /** Swaps, repeats, drops or replaces a few pieces. */
  private static byte[] mutate(byte[] source, Random random) {
    byte[] bytes = source.clone();
    for (int n = 1 + random.nextInt(3); n > 0; n--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(4)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] = (byte) "0129-\"{}[],:\\utrue*+(|".charAt(random.nextInt(22));
        case 2 -> {
          int from = random.nextInt(bytes.length);
          int length = Math.min(random.nextInt(12), bytes.length - Math.max(at, from));
          System.arraycopy(bytes, from, bytes, at, length);
        }
        default -> {
          int length = Math.min(random.nextInt(8), bytes.length - at);
          byte[] shorter = new byte[bytes.length - length];
          System.arraycopy(bytes, 0, shorter, 0, at);
          System.arraycopy(bytes, at + length, shorter, at, shorter.length - at);
          bytes = shorter;
        }
      }
    }
    return bytes;
  }

  private void refused(String expected) {
    LrtException e = assertThrows(LrtException.class, () -> Tokenizer.load(directory).close());
    oneLine(e);
    assertTrue(String.valueOf(e.getMessage()).contains(expected), e::getMessage);
  }

  private void oneLine(LrtException e) {
    String message = String.valueOf(e.getMessage());
    assertTrue(message.startsWith(directory.toString()), message);
    assertFalse(message.contains("\n"), message);
  }
}
