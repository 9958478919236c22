package io.lrt4j.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.model.ModelConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A valid checkpoint of a few hundred bytes, and every way to spoil it. */
final class TinyModel {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private final Path directory;

  private TinyModel(Path directory) {
    this.directory = directory;
  }

  /** A Qwen3 model with one layer, tied, in one f32 file. */
  static TinyModel base(Path directory) {
    var model = new TinyModel(directory);
    model.config(model.baseConfig());
    model.text("generation_config.json", "{\"eos_token_id\": [3], \"temperature\": 0.6}");
    model.tensors(model.layout());
    return model;
  }

  /** The same in two shards with an index. */
  static TinyModel sharded(Path directory) {
    TinyModel model = base(directory);
    model.delete("model.safetensors");
    var first = new LinkedHashMap<String, List<Long>>();
    var second = new LinkedHashMap<String, List<Long>>();
    ObjectNode index = MAPPER.createObjectNode();
    index.putObject("metadata").put("total_size", 0);
    ObjectNode map = index.putObject("weight_map");
    model
        .layout()
        .forEach(
            (name, shape) -> {
              boolean early = first.size() < 5;
              (early ? first : second).put(name, shape);
              map.put(name, early ? "a.safetensors" : "b.safetensors");
            });
    write(directory.resolve("a.safetensors"), first);
    write(directory.resolve("b.safetensors"), second);
    model.json("model.safetensors.index.json", index);
    return model;
  }

  /** A reasoning network for it. */
  static TinyModel network(Path directory) {
    var model = new TinyModel(directory);
    ObjectNode config = MAPPER.createObjectNode();
    config.put("model_type", "lrt_reasoning_network").put("base_model", "tiny");
    config.put("base_hidden_size", 4).put("num_latent_tokens", 3);
    config.put("fusion", "append").put("close", "\n</think>\n\n");
    ObjectNode backbone = config.putObject("backbone").put("model_type", "qwen3");
    backbone.put("hidden_size", 4).put("intermediate_size", 4).put("num_hidden_layers", 1);
    backbone.put("num_attention_heads", 2).put("num_key_value_heads", 1).put("head_dim", 2);
    model.json("config.json", config);
    var parsed = NetworkConfig.parse(Json.read(directory.resolve("config.json")));
    model.tensors(new LinkedHashMap<>(TensorLayout.of(parsed).shapes()));
    return model;
  }

  Path directory() {
    return directory;
  }

  ObjectNode baseConfig() {
    ObjectNode c = MAPPER.createObjectNode();
    c.putArray("architectures").add("Qwen3ForCausalLM");
    c.put("model_type", "qwen3").put("vocab_size", 4).put("hidden_size", 4);
    c.put("intermediate_size", 4).put("num_hidden_layers", 1).put("num_attention_heads", 2);
    c.put("num_key_value_heads", 1).put("head_dim", 2).put("max_position_embeddings", 64);
    c.put("rms_norm_eps", 1e-6).put("tie_word_embeddings", true).put("rope_theta", 10000.0);
    return c;
  }

  /** Shapes as the directory's config implies them. */
  Map<String, List<Long>> layout() {
    ModelConfig config = ConfigParser.model(Json.read(directory.resolve("config.json")));
    return new LinkedHashMap<>(TensorLayout.of(config, "model.").shapes());
  }

  /** Changes the parsed {@code config.json}. */
  void config(Consumer<ObjectNode> change) {
    try {
      var config = (ObjectNode) MAPPER.readTree(directory.resolve("config.json").toFile());
      change.accept(config);
      config(config);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void config(ObjectNode config) {
    json("config.json", config);
  }

  /** Changes the index's {@code weight_map}. */
  void weightMap(Consumer<ObjectNode> change) {
    try {
      Path file = directory.resolve("model.safetensors.index.json");
      var index = (ObjectNode) MAPPER.readTree(file.toFile());
      change.accept((ObjectNode) index.get("weight_map"));
      json(file.getFileName().toString(), index);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Changes the shapes and writes {@code model.safetensors} anew. */
  void layout(Consumer<Map<String, List<Long>>> change) {
    Map<String, List<Long>> shapes = layout();
    change.accept(shapes);
    tensors(shapes);
  }

  void tensors(Map<String, List<Long>> shapes) {
    write(directory.resolve("model.safetensors"), shapes);
  }

  /** Writes tensors whose element i is i / 8. */
  static void write(Path file, Map<String, List<Long>> shapes) {
    var entries = new ArrayList<SafetensorsWriter.Entry>();
    shapes.forEach(
        (name, shape) -> {
          float[] values = new float[(int) TensorLayout.elements(shape)];
          for (int i = 0; i < values.length; i++) {
            values[i] = i / 8f;
          }
          entries.add(SafetensorsWriter.Entry.of(name, shape, values));
        });
    SafetensorsWriter.write(file, Map.of("format", "pt"), entries);
  }

  /** A safetensors file with the header as given, and as many bytes of data. */
  void header(String json, int dataBytes) {
    header(json.getBytes(StandardCharsets.UTF_8), dataBytes);
  }

  void header(byte[] json, int dataBytes) {
    bytes("model.safetensors", safetensors(json.length, json, dataBytes));
  }

  /** The same, claiming a header length of its own. */
  static byte[] safetensors(long claimed, byte[] json, int dataBytes) {
    return ByteBuffer.allocate(Long.BYTES + json.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(claimed)
        .put(json)
        .array();
  }

  void json(String name, ObjectNode json) {
    text(name, json.toString());
  }

  void text(String name, String text) {
    bytes(name, text.getBytes(StandardCharsets.UTF_8));
  }

  void bytes(String name, byte[] bytes) {
    try {
      Files.write(directory.resolve(name), bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  byte[] bytes(String name) {
    try {
      return Files.readAllBytes(directory.resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Cuts the last bytes of a file. */
  void truncate(String name, int bytes) {
    byte[] all = bytes(name);
    bytes(name, Arrays.copyOf(all, all.length - bytes));
  }

  void delete(String name) {
    try {
      Files.delete(directory.resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Replaces a file by a symbolic link. */
  void link(String name, Path target) {
    try {
      Files.deleteIfExists(directory.resolve(name));
      Files.createSymbolicLink(directory.resolve(name), target);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void mkdir(String name) {
    try {
      Files.deleteIfExists(directory.resolve(name));
      Files.createDirectory(directory.resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
