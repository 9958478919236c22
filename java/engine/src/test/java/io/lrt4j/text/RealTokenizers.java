package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.Fixtures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The tokenizers of the test resources, each loaded once for all tests, which do not close it. */
final class RealTokenizers {
  private static final Map<String, Tokenizer> LOADED = new ConcurrentHashMap<>();

  private RealTokenizers() {}

  /** One of qwen3, qwen2.5, minimind2-small and tiny. */
  static Tokenizer get(String name) {
    return LOADED.computeIfAbsent(name, RealTokenizers::load);
  }

  private static Tokenizer load(String name) {
    if (name.equals("tiny")) {
      return Tokenizer.load(Fixtures.dir("conformance/qwen3-tied-bf16"));
    }
    try {
      Path unpacked = Fixtures.unpack("tokenizers/" + name, Files.createTempDirectory("lrt4j"));
      Tokenizer tokenizer = Tokenizer.load(unpacked);
      try (var files = Files.list(unpacked)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
      }
      Files.delete(unpacked);
      return tokenizer;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static JsonNode vectors(String name) {
    return Fixtures.json(Fixtures.dir("tokenizers/vectors").resolve(name));
  }

  /** Ids as they are in the vectors: a list of numbers, or a text of numbers. */
  static int[] ids(JsonNode node) {
    if (node.isTextual()) {
      String text = node.textValue().strip();
      return text.isEmpty()
          ? new int[0]
          : Arrays.stream(text.split(" ")).mapToInt(Integer::parseInt).toArray();
    }
    int[] ids = new int[node.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = node.get(i).intValue();
    }
    return ids;
  }
}
