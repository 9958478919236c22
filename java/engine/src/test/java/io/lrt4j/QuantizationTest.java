package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Engines with rounded weights: near the exact ones, and alone what they are in company. */
class QuantizationTest {
  private static final int[] IDS = {1, 5, 9, 33, 120, 7, 300, 42, 11};

  static Stream<String> backends() {
    return TestModels.backends();
  }

  private static Engine engine(String backend, Quantization quantization) {
    return Engine.load(
        Fixtures.dir(TestModels.BASE),
        EngineOptions.defaults()
            .withNetwork(Fixtures.dir(TestModels.APPEND))
            .withBackend(backend)
            .withThreads(2)
            .withQuantization(quantization));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void roundedOnesAreNear(String backend) {
    try (Engine exact = engine(backend, Quantization.NONE)) {
      assertFalse(exact.describe().contains("weights"));
      float[] expected = logits(exact, IDS);
      near(backend, Quantization.Q8, expected, 0.1, 3e-3);
      near(backend, Quantization.Q4, expected, 1, 0.3);
    }
  }

  private static void near(
      String backend, Quantization quantization, float[] expected, double largest, double mean) {
    try (Engine rounded = engine(backend, quantization)) {
      String name = quantization.name().toLowerCase(Locale.ROOT);
      assertTrue(rounded.describe().contains("weights " + name), rounded.describe());
      float[] got = logits(rounded, IDS);
      Accuracy.assertClose(expected, got, largest, mean, backend);
      assertFalse(Arrays.equals(expected, got), "nothing was rounded");
    }
  }

  /** One token after the other gives what all of them at once do. */
  @ParameterizedTest
  @MethodSource("backends")
  void roundedOnesDoNotDependOnCompany(String backend) {
    doesNotDependOnCompany(backend, Quantization.Q8);
    doesNotDependOnCompany(backend, Quantization.Q4);
    doesNotDependOnCompany(backend, Quantization.BF16);
  }

  private static void doesNotDependOnCompany(String backend, Quantization quantization) {
    try (Engine rounded = engine(backend, quantization)) {
      float[] all = logits(rounded, IDS);
      int vocabulary = all.length / IDS.length;
      for (int n = 1; n < IDS.length; n++) {
        Accuracy.assertSameBits(
            Arrays.copyOf(all, n * vocabulary), logits(rounded, Arrays.copyOf(IDS, n)), backend);
      }
      Answer answer = rounded.ask(Question.of("What is 12+30?").mode(Mode.LATENT).maxTokens(4));
      assertEquals(4, answer.tokens().answer());
    }
  }

  private static float[] logits(Engine engine, int[] ids) {
    float[][] rows = Objects.requireNonNull(engine.score(ids, true, false).logits());
    float[] all = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, all, i * rows[0].length, rows[0].length);
    }
    return all;
  }
}
