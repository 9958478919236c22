package io.lrt4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.SafetensorsWriter.Entry;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The engine's smallest base model and its reasoning network, and variations of them. */
final class TinyModels {
  static final Path BASE = resource("qwen3-tied-bf16");
  static final Path NETWORK = resource("lrt-append");

  private static final ObjectMapper MAPPER = new ObjectMapper();

  private TinyModels() {}

  private static Path resource(String name) {
    URL url = TinyModels.class.getResource("/conformance/" + name);
    if (url == null) {
      throw new IllegalStateException("no test resource " + name);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static JsonNode json(Path file) throws IOException {
    return MAPPER.readTree(file.toFile());
  }

  /** A copy of a checkpoint, to be changed. */
  static Path copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    return to;
  }

  /** The network with a threshold for auto mode. */
  static Path calibrated(Path to, double threshold) throws IOException {
    copy(NETWORK, to);
    Path file = to.resolve("config.json");
    ObjectNode config = (ObjectNode) json(file);
    MAPPER.writeValue(file.toFile(), config.put("auto_threshold", threshold));
    return to;
  }

  /** A sound network for a base model of hidden size 32, half of what {@link #BASE} has. */
  static Path forNarrowerBase(Path to) throws IOException {
    copy(NETWORK, to);
    Path config = to.resolve("config.json");
    ObjectNode json = (ObjectNode) json(config);
    MAPPER.writeValue(config.toFile(), json.put("base_hidden_size", 32));
    List<Entry> entries = new ArrayList<>();
    try (var tensors = Safetensors.open(NETWORK.resolve("model.safetensors"))) {
      for (StoredTensor t : tensors.tensors()) {
        if (t.name().startsWith("in_proj") || t.name().startsWith("out_proj")) {
          List<Long> shape = t.shape().stream().map(n -> n == 64 ? 32 : n).toList();
          entries.add(new Entry(t.name(), DType.F32, shape, (at, chunk) -> chunk.fill((byte) 0)));
        } else {
          entries.add(Entry.of(t.name(), t.dtype(), t.shape(), t.data()));
        }
      }
      SafetensorsWriter.write(to.resolve("new"), Map.of(), entries);
    }
    Files.delete(to.resolve("model.safetensors"));
    Files.move(to.resolve("new"), to.resolve("model.safetensors"));
    return to;
  }
}
