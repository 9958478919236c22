package io.lrt4j;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.util.Arrays;
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

  public static Stream<String> backends() {
    return Backends.survey().stream().filter(Backends.Status::available).map(Backends.Status::name);
  }

  /** The tiny Qwen3 model with its network, on two threads. */
  public static Engine engine(String backend) {
    return engine(Fixtures.dir(BASE), Fixtures.dir(APPEND), backend);
  }

  public static Engine engine(Path model, @Nullable Path network, String backend) {
    return Engine.load(
        model, EngineOptions.defaults().withNetwork(network).withBackend(backend).withThreads(2));
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

  /** A directory beside the repository's root, where larger models lie on some machines. */
  public static Path shared(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("java/engine"))) {
      Path parent = root.getParent();
      if (parent == null) {
        throw new IllegalStateException("not run within the repository");
      }
      root = parent;
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
