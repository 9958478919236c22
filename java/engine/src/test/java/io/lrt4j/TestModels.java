package io.lrt4j;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Backends;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Copies of the tiny checkpoints, to be changed, and engines on them. */
public final class TestModels {
  /** A base model and the networks that were made for it and for another one. */
  public static final String BASE = "conformance/qwen3-tied-bf16";

  public static final String APPEND = "conformance/lrt-append";
  public static final String HADAMARD_BASE = "conformance/qwen2-bias-bf16";
  public static final String HADAMARD = "conformance/lrt-hadamard";

  private static final ObjectMapper MAPPER = new ObjectMapper();

  private TestModels() {}

  /** Those that can be opened here, or the one that another module's build tests. */
  public static Stream<String> backends() {
    String only = System.getProperty("lrt4j.test.backend");
    return only != null
        ? Stream.of(only)
        : Backends.survey().stream().filter(Backends.Status::available).map(Backends.Status::name);
  }

  /** The tiny Qwen3 model with its network, on two threads. */
  public static Engine engine(String backend) {
    return engine(Fixtures.dir(BASE), Fixtures.dir(APPEND), backend);
  }

  public static Engine engine(Path model, @Nullable Path network, String backend) {
    return Engine.load(
        model, EngineOptions.defaults().withNetwork(network).withBackend(backend).withThreads(2));
  }

  /** All but what was cached: that depends on who asked before. */
  static Answer.TokenCounts counts(Answer answer) {
    Answer.TokenCounts t = answer.tokens();
    return new Answer.TokenCounts(t.prompt(), t.latent(), t.reasoning(), t.answer());
  }

  /** Copies the files that a checkpoint consists of; expectations stay where they are. */
  public static Path copy(String resource, Path to) {
    try (var files = Files.list(Fixtures.dir(resource))) {
      Files.createDirectories(to);
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (!name.startsWith("expected")) {
          Files.copy(file, to.resolve(name));
        }
      }
      return to;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Rewrites a JSON file. */
  @SuppressWarnings("exports") // compiled into the module, never exported
  public static void edit(Path json, Consumer<ObjectNode> change) {
    try {
      var root = (ObjectNode) MAPPER.readTree(json.toFile());
      change.accept(root);
      MAPPER.writeValue(json.toFile(), root);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Rewrites the header of {@code model.safetensors}, and appends zeros to its data. */
  @SuppressWarnings("exports") // as above
  public static void header(Path directory, Consumer<ObjectNode> change, int moreBytes) {
    try {
      Path file = directory.resolve("model.safetensors");
      ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      byte[] json = new byte[Math.toIntExact(all.getLong())];
      all.get(json);
      var header = (ObjectNode) MAPPER.readTree(json);
      change.accept(header);
      byte[] changed = MAPPER.writeValueAsBytes(header);
      ByteBuffer out =
          ByteBuffer.allocate(8 + changed.length + all.remaining() + moreBytes)
              .order(ByteOrder.LITTLE_ENDIAN);
      Files.write(file, out.putLong(changed.length).put(changed).put(all).array());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A copy of the append network with a threshold for auto mode. */
  public static Path calibrated(Path to, double threshold, String measure) {
    copy(APPEND, to);
    edit(
        to.resolve("config.json"),
        c -> c.put("auto_threshold", threshold).put("auto_confidence", measure));
    return to;
  }

  /** Fills a 16-bit tensor of {@code model.safetensors} with NaN. */
  public static void poison(Path directory, String tensor) {
    try (var file =
        FileChannel.open(
            directory.resolve("model.safetensors"),
            StandardOpenOption.READ,
            StandardOpenOption.WRITE)) {
      ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      file.read(length, 0);
      int headerBytes = Math.toIntExact(length.getLong(0));
      ByteBuffer header = ByteBuffer.allocate(headerBytes);
      file.read(header, 8);
      var offsets =
          MAPPER
              .readTree(new String(header.array(), StandardCharsets.UTF_8))
              .get(tensor)
              .get("data_offsets");
      long from = offsets.get(0).asLong();
      ByteBuffer nan = ByteBuffer.allocate(Math.toIntExact(offsets.get(1).asLong() - from));
      Arrays.fill(nan.array(), (byte) -1); // all bits set: NaN in every type
      file.write(nan, 8 + headerBytes + from);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * A model in which every token has one successor: attention and MLP write nothing, and the head
   * row of b is the embedding of a. Ids are those of {@link #BASE}'s tokenizer: A is 32.
   */
  public static Path scripted(Path to, Map<Integer, Integer> successors, int endOfSequence) {
    String source = "conformance/qwen3-untied-f32-sharded";
    copy(source, to);
    var random = new Random(1);
    float[] embedding = new float[384 * 64];
    for (int i = 0; i < embedding.length; i++) {
      embedding[i] = random.nextBoolean() ? 1 : -1;
    }
    float[] head = new float[embedding.length];
    successors.forEach((a, b) -> System.arraycopy(embedding, a * 64, head, b * 64, 64));
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    try (var checkpoint = Checkpoint.open(Fixtures.dir(source))) {
      for (StoredTensor t : checkpoint.tensors()) {
        float[] values =
            switch (t.name()) {
              case "model.embed_tokens.weight" -> embedding;
              case "lm_head.weight" -> head;
              default -> new float[Math.toIntExact(t.elements())];
            };
        if (t.name().equals("model.norm.weight")) {
          Arrays.fill(values, 1);
        }
        entries.add(SafetensorsWriter.Entry.of(t.name(), t.shape(), values));
      }
      Files.delete(to.resolve("model.safetensors.index.json"));
      SafetensorsWriter.write(to.resolve("model.safetensors"), Map.of(), entries);
      try (var shards = Files.newDirectoryStream(to, "model-*.safetensors")) {
        for (Path shard : shards) {
          Files.delete(shard);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    for (String file : List.of("config.json", "generation_config.json")) {
      edit(to.resolve(file), c -> c.put("eos_token_id", endOfSequence));
    }
    return to;
  }

  /**
   * A directory beside the repository's root, where larger models lie on some machines. Elsewhere,
   * and where tests run without the repository, it is not there.
   */
  public static Path shared(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (root.getParent() != null && !Files.isDirectory(root.resolve("java/engine"))) {
      root = root.getParent();
    }
    return root.resolveSibling("shared").resolve(name);
  }

  /** One problem of GSM8K (Cobbe et al., 2021; MIT license). */
  public static String gsm8kQuestion() {
    try {
      return Files.readString(Fixtures.dir("gsm8k").resolve("question.txt")).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
