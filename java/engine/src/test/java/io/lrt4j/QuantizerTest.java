package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkShape;
import io.lrt4j.checkpoint.Quantizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
    int rounded = Quantizer.model(model, out, quantization);
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

  private static float[] logits(Engine engine) {
    float[][] rows = Objects.requireNonNull(engine.score(IDS, true, false).logits());
    return rows[IDS.length - 1];
  }

  @Test
  void whatCannotBeRunIsRefused() throws IOException {
    Path out = folder.resolve("out");
    Quantizer.model(model, out, Quantization.Q8);
    var again =
        assertThrows(BackendException.class, () -> load(out, "scalar", false, Quantization.Q4));
    assertEquals("weights stored as Q8 cannot be rounded to Q4", again.getMessage());
    assertThrows(
        CheckpointException.class, () -> Quantizer.model(model, out, Quantization.Q8), "not empty");
    var twice =
        assertThrows(
            CheckpointException.class,
            () -> Quantizer.model(out, folder.resolve("twice"), Quantization.Q4));
    assertEquals(
        out + ": expected a model whose weights are not rounded yet, found q8", twice.getMessage());
    refused(out, "\"q8\"", "\"q7\"", "is rounded to \"q7\"; lrt4j runs q8 and q4");
    refused(out, "\"q7\"", "\"q4\"", "as q4 panels, found");
  }

  @Test
  void nothingIsWrittenWhereTheNetworkIsDamaged() throws IOException {
    Path out = folder.resolve("out");
    Files.writeString(model.resolve("network").resolve("config.json"), "{");
    assertThrows(CheckpointException.class, () -> Quantizer.model(model, out, Quantization.Q8));
    assertFalse(Files.exists(out));
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
