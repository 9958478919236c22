package io.lrt4j.training.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerTrainerTest {
  @TempDir Path directory;

  private static Stream<String> texts() {
    return Stream.of("Tom has 12 apples.", "Tom has 7 apples.\n12-5=7", "user\n", "Tom has it");
  }

  @Test
  void wordsBecomeTokensAndDigitsStayAlone() {
    TokenizerTrainer.Tokens tokens = TokenizerTrainer.train(texts(), 275, directory);
    assertEquals(275, tokens.size());
    try (Tokenizer tokenizer = Tokenizer.load(directory)) {
      assertEquals(275, tokenizer.vocabularySize());
      assertEquals(1, tokenizer.encode("Tom").length);
      assertEquals(1, tokenizer.encode(" has").length);
      assertEquals(4, tokenizer.encode("1234").length);
      assertEquals(tokens.end(), tokenizer.id("<|end|>").orElseThrow());
      assertArrayEquals(new int[] {tokens.end()}, tokenizer.encode("<|end|>"));
      for (String text : new String[] {"Tom has 12 apples.", "naïve — 数学\n\n 🙂", "</think>x"}) {
        assertEquals(text, tokenizer.decode(tokenizer.encode(text), false));
      }
    }
  }

  @Test
  void theSameTextsGiveTheSameFile() throws IOException {
    TokenizerTrainer.train(texts(), 270, directory);
    String first = Files.readString(directory.resolve("tokenizer.json"));
    TokenizerTrainer.train(texts(), 270, directory);
    assertEquals(first, Files.readString(directory.resolve("tokenizer.json")));
  }

  @Test
  void bytesNeedRoom() {
    assertThrows(
        IllegalArgumentException.class, () -> TokenizerTrainer.train(texts(), 260, directory));
  }
}
