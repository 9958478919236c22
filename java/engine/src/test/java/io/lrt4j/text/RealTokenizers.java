package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.Fixtures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** The tokenizers of the test resources, loaded when asked for. */
final class RealTokenizers implements AutoCloseable {
  private final Path directory;
  private final Map<String, Tokenizer> loaded = new HashMap<>();

  RealTokenizers(Path directory) {
    this.directory = directory;
  }

  /** One of qwen3, qwen2.5, minimind2-small and tiny. */
  Tokenizer get(String name) {
    return loaded.computeIfAbsent(name, this::load);
  }

  private Tokenizer load(String name) {
    if (name.equals("tiny")) {
      return Tokenizer.load(Fixtures.dir("conformance/qwen3-tied-bf16"));
    }
    try {
      Path unpacked = Files.createDirectory(directory.resolve(name));
      return Tokenizer.load(Fixtures.unpack("tokenizers/" + name, unpacked));
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

  @Override
  public void close() {
    loaded.values().forEach(Tokenizer::close);
  }
}
