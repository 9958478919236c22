package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.CheckpointException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InitializerTest {
  @TempDir Path temporary;

  /** Parameter counts of the published models; a tied head counts once. */
  @ParameterizedTest
  @CsvSource({
    "qwen3-0.6b, 596049920",
    "qwen3-1.7b, 1720574976",
    "qwen3-4b, 4022468096",
    "qwen3-8b, 8190735360",
    "r1-distill-qwen-1.5b, 1777088000",
    "r1-distill-qwen-7b, 7615616512",
    "tiny, 279360",
  })
  void presetsHaveTheirPublishedShapes(String name, long parameters) {
    assertTrue(Presets.names().contains(name));
    assertEquals(parameters, TensorLayout.of(Presets.named(name).config(), "model.").parameters());
  }

  @Test
  void anUnknownPresetIsRefusedWithTheKnownOnes() {
    Path out = temporary.resolve("out");
    var e = assertThrows(UnsupportedModelException.class, () -> Initializer.model("qwen9", out, 0));
    assertTrue(String.valueOf(e.getMessage()).contains("qwen3-0.6b"));
    assertFalse(Files.exists(out));
  }

  @Test
  void whatIsWrittenIsWhatThePresetSays() {
    Initializer.model("tiny", temporary, 1);
    Presets.Preset preset = Presets.named("tiny");
    try (var checkpoint = Checkpoint.open(temporary)) {
      assertEquals(preset.config(), checkpoint.config());
      assertEquals(preset.generation(), checkpoint.generation());
      assertEquals(DType.BF16, checkpoint.tensor("model.norm.weight").dtype());
      assertEquals(1f, checkpoint.tensor("model.norm.weight").element(5));
      StoredTensor embedding = checkpoint.tensor("model.embed_tokens.weight");
      double sum = 0;
      double squares = 0;
      double fourth = 0;
      for (long i = 0; i < embedding.elements(); i++) {
        double x = embedding.element(i) / 0.02;
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
      }
      double n = embedding.elements();
      // Four standard errors of each moment of a normal distribution.
      assertEquals(0, sum / n, 4 / Math.sqrt(n));
      assertEquals(1, squares / n, 4 * Math.sqrt(2 / n));
      assertEquals(3, fourth / n, 4 * Math.sqrt(96 / n));
    }
  }

  @Test
  void everyPresetsConfigReadsBack() throws IOException {
    for (String name : Presets.names()) {
      Presets.Preset preset = Presets.named(name);
      Path directory = Files.createDirectory(temporary.resolve(name));
      Path config = directory.resolve("config.json");
      ConfigWriter.write(config, ConfigWriter.model(preset.config(), preset.generation()));
      ConfigWriter.write(
          directory.resolve("generation_config.json"),
          ConfigWriter.generation(preset.generation()));
      Json json = Json.read(config);
      assertEquals(preset.config(), ConfigParser.model(json));
      assertEquals(
          preset.generation(),
          GenerationDefaults.read(ModelFiles.of(directory), json, preset.config().vocabSize()));
    }
  }

  @Test
  void theSeedDecidesEverything() throws IOException {
    for (String name : List.of("a", "b", "c")) {
      Initializer.model("tiny", temporary.resolve(name), name.equals("c") ? 2 : 1);
    }
    byte[] a = Files.readAllBytes(temporary.resolve("a/model.safetensors"));
    assertArrayEquals(a, Files.readAllBytes(temporary.resolve("b/model.safetensors")));
    byte[] c = Files.readAllBytes(temporary.resolve("c/model.safetensors"));
    int same = 0;
    for (int i = a.length - 4096 * 2; i < a.length; i++) {
      same += a[i] == c[i] ? 1 : 0;
    }
    assertTrue(same < 4096 * 2 * 3 / 4, same + " bytes are the same");
  }

  @Test
  void noTensorRepeatsAnother() {
    Initializer.model("tiny", temporary, 1);
    try (var checkpoint = Checkpoint.open(temporary)) {
      StoredTensor q0 = checkpoint.tensor("model.layers.0.self_attn.q_proj.weight");
      StoredTensor q1 = checkpoint.tensor("model.layers.1.self_attn.q_proj.weight");
      int same = 0;
      for (long i = 0; i < 1000; i++) {
        same += q0.element(i) == q1.element(i) ? 1 : 0;
      }
      assertTrue(same < 50, same + " of 1000 elements are the same");
    }
  }

  @Test
  void largeModelsAreShardedWithTheSameValues() throws IOException {
    Path whole = temporary.resolve("whole");
    Path sharded = temporary.resolve("sharded");
    Initializer.model("tiny", whole, 3);
    Initializer.model(Presets.named("tiny"), sharded, 3, 200_000, _ -> {});
    assertTrue(Files.exists(sharded.resolve("model-00001-of-00003.safetensors")));
    assertFalse(Files.exists(sharded.resolve("model.safetensors")));
    try (var a = Checkpoint.open(whole);
        var b = Checkpoint.open(sharded)) {
      assertEquals(a.tensors().size(), b.tensors().size());
      for (StoredTensor tensor : a.tensors()) {
        assertEquals(-1, tensor.data().mismatch(b.tensor(tensor.name()).data()), tensor.name());
      }
    }
  }

  @Test
  void aNetworkSuitsItsBase() {
    Path base = temporary.resolve("base");
    Path out = temporary.resolve("network");
    Initializer.model("tiny", base, 1);
    NetworkShape shape = NetworkShape.suiting(Presets.named("tiny").config());
    Initializer.network(
        base, out, shape.withFusion(Fusion.HADAMARD).withLatents(5).withLayers(3), 2);
    try (var network = NetworkCheckpoint.open(out)) {
      NetworkConfig config = network.config();
      assertEquals("base", config.baseModel());
      assertEquals(64, config.baseHiddenSize());
      assertEquals(5, config.latents());
      assertEquals(Fusion.HADAMARD, config.fusion());
      assertEquals("\n</think>\n\n", config.close());
      assertEquals(3, config.backbone().layers());
      assertEquals(2048 + 5, config.backbone().maxPositions());
      assertEquals(0f, network.tensor("in_proj.bias").element(0));
      // Inputs of variance 1 come out as large as the base's embeddings, 0.02.
      StoredTensor outProjection = network.tensor("out_proj.weight");
      double squares = 0;
      for (long i = 0; i < outProjection.elements(); i++) {
        squares += Math.pow(outProjection.element(i), 2);
      }
      assertEquals(0.02, Math.sqrt(squares / 64), 0.002);
    }
  }

  /** A process that is killed leaves no base without what belongs to it. */
  @Test
  void aBaseIsNoneBeforeWhatBelongsToItIsWritten() throws IOException {
    NetworkShape shape = NetworkShape.suiting(Presets.named("tiny").config());
    Path network = temporary.resolve("network");
    Initializer.model(
        "tiny",
        temporary,
        1,
        base -> {
          Initializer.network(base, network, shape, 2);
          var e = assertThrows(CheckpointException.class, () -> Checkpoint.open(temporary));
          String message = String.valueOf(e.getMessage());
          assertTrue(message.contains("expected a file \"config.json\""), message);
        });
    Path later = temporary.resolve("later");
    Initializer.network(temporary, later, shape, 2);
    for (String file : List.of("config.json", "model.safetensors")) {
      assertEquals(-1, Files.mismatch(network.resolve(file), later.resolve(file)), file);
    }
  }

  @Test
  void realBasesGetThePapersNetwork() {
    NetworkShape shape = NetworkShape.suiting(Presets.named("qwen3-4b").config());
    assertEquals(new NetworkShape(256, Fusion.APPEND, 1024, 3072, 28, 16, 8, 128), shape);
  }

  @Test
  void impossibleShapesAreRefused() {
    NetworkShape shape = NetworkShape.suiting(Presets.named("tiny").config());
    assertThrows(UnsupportedModelException.class, () -> shape.withLatents(0));
    assertThrows(UnsupportedModelException.class, () -> shape.withLayers(2000));
    assertThrows(
        UnsupportedModelException.class,
        () -> new NetworkShape(1, Fusion.APPEND, 8, 8, 1, 3, 2, 4));
  }

  @Test
  void aFileIsNoDirectoryToWriteTo() throws IOException {
    Path file = Files.createFile(temporary.resolve("file"));
    var e = assertThrows(CheckpointException.class, () -> Initializer.model("tiny", file, 0));
    assertEquals(
        file + ": expected a directory to write to (there is a file of that name)", e.getMessage());
  }

  @Test
  void nothingIsOverwritten() throws IOException {
    Files.writeString(temporary.resolve("precious"), "data");
    var e = assertThrows(CheckpointException.class, () -> Initializer.model("tiny", temporary, 1));
    assertTrue(String.valueOf(e.getMessage()).startsWith(temporary + ": expected an empty"));
    Path file = temporary.resolve("precious");
    assertThrows(CheckpointException.class, () -> Initializer.model("tiny", file, 1));
    try (var files = Files.list(temporary)) {
      assertEquals(1, files.count());
    }
  }
}
