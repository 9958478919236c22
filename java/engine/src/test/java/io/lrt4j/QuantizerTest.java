package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkShape;
import io.lrt4j.checkpoint.Quantizer;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.StoredTensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Checkpoints that are rounded once for all: what they compute is what rounding at load gives. */
class QuantizerTest {
  private static final int[] IDS = {1, 5, 9, 33, 120, 7};

  @TempDir Path folder;
  private Path model;

  @BeforeEach
  void make() {
    model = folder.resolve("model");
    Initializer.model("tiny", model, 1);
    NetworkShape shape;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      shape = NetworkShape.suiting(checkpoint.config()).withLatents(3);
    }
    Initializer.network(model, model.resolve("network"), shape, 2);
  }

  private static Engine load(
      Path directory, String backend, boolean mapped, Quantization quantization) {
    return Engine.load(
        directory,
        EngineOptions.defaults()
            .withBackend(backend)
            .withThreads(2)
            .withMappedWeights(mapped)
            .withQuantization(quantization));
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void computesWhatRoundingAtLoadDoes(Quantization quantization) {
    Path out = folder.resolve("out");
    int rounded = Quantizer.model(model, out, Quantizer.Types.projections(quantization));
    assertTrue(rounded >= 8, rounded + " weights");
    for (String backend : TestModels.backends().toList()) {
      float[] expected;
      try (Engine engine = load(model, backend, false, quantization)) {
        expected = logits(engine);
      }
      for (boolean mapped : new boolean[] {false, true}) {
        try (Engine engine = load(out, backend, mapped, Quantization.NONE)) {
          Accuracy.assertSameBits(expected, logits(engine), backend);
          String kept = "weights " + (quantization == Quantization.Q8 ? "q8" : "q4");
          assertTrue(engine.describe().contains(kept + ", as stored"), engine.describe());
        }
      }
    }
  }

  static Stream<Quantizer.Types> mixtures() {
    Quantization none = Quantization.NONE;
    Quantization q8 = Quantization.Q8;
    Quantization q4 = Quantization.Q4;
    return Stream.of(
        new Quantizer.Types(q4, q4, q4, q4),
        new Quantizer.Types(q4, q8, q8, none),
        new Quantizer.Types(q4, q8, none, q8),
        new Quantizer.Types(q8, none, q4, none),
        new Quantizer.Types(q8, q4, q8, q8),
        new Quantizer.Types(q8, none, none, q4));
  }

  /** Each kind to its own type; what is alike of head and embedding stays one tensor. */
  @ParameterizedTest
  @MethodSource
  void mixtures(Quantizer.Types types) {
    Path out = folder.resolve("out");
    assertTrue(Quantizer.model(model, out, types) > 0);
    try (Checkpoint written = Checkpoint.open(out);
        NetworkCheckpoint network = NetworkCheckpoint.open(out.resolve("network"))) {
      assertEquals(types.head() == types.embedding(), written.config().tiedEmbeddings());
      assertEquals(types.head() != types.embedding(), written.has("lm_head.weight"));
      assertEquals(types.layers(), written.rounded());
      assertEquals(types.head(), written.roundedHead());
      assertEquals(types.embedding(), written.roundedEmbedding());
      assertEquals(types.network(), network.rounded());
    }
    EngineOptions.Builder options =
        EngineOptions.builder()
            .threads(2)
            .quantization(types.layers())
            .headQuantization(types.head())
            .embeddingQuantization(types.embedding())
            .networkQuantization(types.network());
    for (String backend : TestModels.backends().toList()) {
      for (boolean mapped : new boolean[] {false, true}) {
        String described;
        float[] expected;
        options.backend(backend).mappedWeights(mapped);
        try (Engine engine = Engine.load(model, options.build())) {
          expected = logits(engine);
          described = kinds(engine);
        }
        try (Engine engine = load(out, backend, mapped, Quantization.NONE)) {
          Accuracy.assertSameBits(expected, logits(engine), backend);
          assertEquals(described, kinds(engine));
        }
        try (Engine engine = Engine.load(out, options.build())) { // rounded so already
          Accuracy.assertSameBits(expected, logits(engine), backend);
        }
        if (types.head() != Quantization.NONE && types.network() != Quantization.NONE) {
          try (Engine engine = load(out, backend, mapped, types.layers())) { // the rest as it is
            Accuracy.assertSameBits(expected, logits(engine), backend);
            assertEquals(described, kinds(engine));
          }
        }
      }
    }
  }

  /** A head of its own stays one. */
  @Test
  void anUntiedEmbedding() throws IOException {
    Path untied = Fixtures.dir("conformance/qwen3-untied-f32-sharded");
    Path out = folder.resolve("untied");
    Quantization q4 = Quantization.Q4;
    Quantizer.model(untied, out, new Quantizer.Types(q4, q4, Quantization.Q8, q4));
    try (Checkpoint written = Checkpoint.open(out)) {
      assertFalse(written.config().tiedEmbeddings());
      assertEquals(q4, written.roundedHead());
      assertEquals(Quantization.Q8, written.roundedEmbedding());
    }
    try (Stream<Path> files = Files.list(out)) { // none of the shards
      assertEquals(
          List.of("model.safetensors"),
          files.map(f -> f.getFileName().toString()).filter(f -> f.contains("safetens")).toList());
    }
    var options =
        EngineOptions.builder().quantization(q4).embeddingQuantization(Quantization.Q8).threads(2);
    for (String backend : TestModels.backends().toList()) {
      options.backend(backend);
      try (Engine expected = Engine.load(untied, options.build());
          Engine got = load(out, backend, true, q4)) {
        Accuracy.assertSameBits(logits(expected), logits(got), backend);
      }
    }
  }

  /** What is said of weights, whoever rounded them. */
  private static String kinds(Engine engine) {
    String described = engine.describe();
    int from = described.indexOf("; weights");
    return described.substring(from, described.indexOf("; keys")).replace(", as stored", "");
  }

  /** The embedding's bytes and the head's are in the file once. */
  @Test
  void aTiedEmbeddingTakesRoomOnce() throws IOException {
    Path once = folder.resolve("once");
    Path twice = folder.resolve("twice");
    Quantization q4 = Quantization.Q4;
    Quantizer.model(model, once, new Quantizer.Types(q4, q4, q4, q4));
    Quantizer.model(model, twice, Quantizer.Types.projections(q4));
    long embedding;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      embedding = checkpoint.tensor("model.embed_tokens.weight").data().byteSize();
    }
    String weights = "model.safetensors";
    long less = Files.size(twice.resolve(weights)) - Files.size(once.resolve(weights));
    assertTrue(Math.abs(less - embedding) < 512, less + " bytes less"); // beside the header
    refused(once, "\"q4\"}", "\"q7\"}", "embed_tokens.weight\" is rounded to \"q7\"");
  }

  private static float[] logits(Engine engine) {
    float[][] rows = Objects.requireNonNull(engine.score(IDS, true, false).logits());
    return rows[IDS.length - 1];
  }

  @Test
  void whatCannotBeRunIsRefused() throws IOException {
    Path out = folder.resolve("out");
    Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q8));
    var again =
        assertThrows(BackendException.class, () -> load(out, "scalar", false, Quantization.Q4));
    assertEquals(
        out.resolve("model.safetensors")
            + ": tensor \"model.layers.0.self_attn.q_proj.weight\": weights stored as Q8 cannot be"
            + " rounded to Q4",
        again.getMessage());
    for (String backend : TestModels.backends().toList()) {
      var head =
          assertThrows(
              BackendException.class,
              () ->
                  Engine.load(
                      out,
                      EngineOptions.defaults()
                          .withBackend(backend)
                          .withHeadQuantization(Quantization.Q4)));
      assertEquals(
          out.resolve("model.safetensors")
              + ": tensor \"lm_head.weight\": weights stored as Q8 cannot be rounded to Q4",
          head.getMessage());
    }
    assertThrows(
        CheckpointException.class,
        () -> Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q8)),
        "not empty");
    assertRoundedAlready(out);
    refused(out, "\"q8\"", "\"q7\"", "is rounded to \"q7\"; lrt4j runs q8 and q4");
    refused(out, "\"q7\"", "\"q4\"", "as q4 panels, found");
  }

  /** It has weights in q8, and is not rounded once more. */
  private void assertRoundedAlready(Path rounded) {
    Path twice = folder.resolve("twice");
    var types = Quantizer.Types.projections(Quantization.Q4);
    var e = assertThrows(CheckpointException.class, () -> Quantizer.model(rounded, twice, types));
    assertEquals(
        rounded + ": expected a model whose weights are not rounded yet, found q8", e.getMessage());
  }

  @Test
  void whatIsRoundedInPartIsRoundedAlready() {
    Quantization none = Quantization.NONE;
    Quantization q8 = Quantization.Q8;
    for (var types :
        List.of(
            new Quantizer.Types(none, q8, none, none),
            new Quantizer.Types(none, none, q8, none),
            new Quantizer.Types(q8, none, none, none))) {
      Path out = folder.resolve("part" + types.hashCode());
      Quantizer.model(model, out, types);
      assertRoundedAlready(out);
    }
  }

  @Test
  void nothingIsWrittenWhereTheNetworkIsDamaged() throws IOException {
    Path out = folder.resolve("out");
    Files.writeString(model.resolve("network").resolve("config.json"), "{");
    assertThrows(
        CheckpointException.class,
        () -> Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q8)));
    assertFalse(Files.exists(out));
  }

  /** The network is written before the base: a base alone would look whole. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void whatFailsOnTheWayIsRemoved() throws IOException {
    Path out = folder.resolve("out");
    Path network = model.resolve("network");
    Path unreadable = Path.of("/proc/self/mem"); // a file to be copied whose bytes cannot be read
    for (Path directory : List.of(model, network)) {
      Path link = Files.createSymbolicLink(directory.resolve("notes"), unreadable);
      var e =
          assertThrows(
              CheckpointException.class,
              () -> Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q8)));
      Path fails = directory.equals(model) ? out : out.resolve("network");
      assertEquals(fails + ": cannot be written (Input/output error)", e.getMessage());
      assertFalse(Files.exists(out));
      Files.delete(link);
    }
    assertTrue(Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q8)) > 0);
    assertTrue(
        Files.getLastModifiedTime(out.resolve("network/config.json"))
                .compareTo(Files.getLastModifiedTime(out.resolve("model.safetensors")))
            <= 0);
  }

  /** By tensor and place, and without anything being written. */
  @Test
  void numbersThatAreNotFiniteAreRefused() throws IOException {
    Path base = model.resolve("model.safetensors");
    Path network = model.resolve("network").resolve("model.safetensors");
    byte[] whole = Files.readAllBytes(base);
    for (boolean mapped : new boolean[] {false, true}) {
      String name = "model.layers.1.mlp.up_proj.weight"; // the second of two parts
      damage(base, name, 3, 17);
      assertUnroundable(base, name, mapped);
      Files.write(base, whole);
      damage(base, "model.embed_tokens.weight", 3, 17); // the head is tied to it
      assertUnroundable(base, "model.embed_tokens.weight", mapped);
      Files.write(base, whole);
    }
    damage(network, "in_proj.weight", 3, 17);
    assertUnroundable(network, "in_proj.weight", false);
  }

  /** A directory that is not empty is refused before it is rounded for. */
  @Test
  void theDirectoryIsLookedAtFirst() throws IOException {
    damage(model.resolve("model.safetensors"), "model.layers.1.mlp.up_proj.weight", 3, 17);
    Path out = Files.createDirectory(folder.resolve("out"));
    Files.writeString(out.resolve("notes.txt"), "mine");
    var e =
        assertThrows(
            CheckpointException.class,
            () -> Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q4)));
    assertEquals(
        out + ": expected an empty directory to write to, found files in it", e.getMessage());
  }

  private void assertUnroundable(Path file, String tensor, boolean mapped) {
    String expected =
        file + ": tensor \"" + tensor + "\" cannot be rounded to q4: its number at [3, 17] is NaN";
    Path out = folder.resolve("out");
    var e =
        assertThrows(
            CheckpointException.class,
            () -> Quantizer.model(model, out, Quantizer.Types.projections(Quantization.Q4)));
    assertEquals(expected, e.getMessage());
    assertFalse(Files.exists(out));
    for (String backend : TestModels.backends().toList()) {
      e =
          assertThrows(
              CheckpointException.class, () -> load(model, backend, mapped, Quantization.Q4));
      assertEquals(expected, e.getMessage(), backend);
    }
    load(model, "scalar", mapped, Quantization.NONE).close();
  }

  /** Makes a number of a bf16 tensor NaN. */
  private static void damage(Path file, String name, int row, int col) throws IOException {
    Path damaged = file.resolveSibling("damaged");
    try (Safetensors stored = Safetensors.open(file)) {
      List<SafetensorsWriter.Entry> entries = new ArrayList<>();
      for (StoredTensor tensor : stored.tensors()) {
        byte[] bytes = tensor.data().toArray(ValueLayout.JAVA_BYTE);
        if (tensor.name().equals(name)) {
          long at = 2 * (row * tensor.shape().getLast() + col);
          bytes[(int) at + 1] = 0x7F;
          bytes[(int) at] = (byte) 0xC0;
        }
        entries.add(
            SafetensorsWriter.Entry.of(
                tensor.name(), tensor.dtype(), tensor.shape(), MemorySegment.ofArray(bytes)));
      }
      SafetensorsWriter.write(damaged, stored.metadata(), entries);
    }
    Files.move(damaged, file, StandardCopyOption.REPLACE_EXISTING);
  }

  /** The header says something else, of the same length. */
  private static void refused(Path directory, String before, String after, String message)
      throws IOException {
    Path file = directory.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    String text = new String(bytes, StandardCharsets.ISO_8859_1).replaceFirst(before, after);
    Files.write(file, text.getBytes(StandardCharsets.ISO_8859_1));
    var e =
        assertThrows(
            CheckpointException.class, () -> load(directory, "scalar", false, Quantization.NONE));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
  }
}
