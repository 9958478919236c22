package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** AdamW behind a clipped gradient beside the same in f64, on two parameters. */
class OptimizerTest {
  private static final double BETA1 = 0.75;
  private static final double BETA2 = 0.875;
  private static final double EPS = 0.25; // large enough to be seen
  private static final double DECAY = 0.5;
  private static final double CLIP = 1;
  private static final double RATE = 0.125;
  private static final String MATRIX = "a.weight";
  private static final String VECTOR = "b.weight";

  private static Parameters parameters(Backend backend) {
    var shapes = new LinkedHashMap<String, List<Long>>();
    shapes.put(MATRIX, List.of(4L, 8L));
    shapes.put(VECTOR, List.of(32L));
    return new Parameters(new TensorLayout("", shapes), backend, false);
  }

  private static void fill(Backend backend, Parameters parameters, float matrix, float vector) {
    float[] values = new float[32];
    Arrays.fill(values, matrix);
    backend.write(values, parameters.gradient(MATRIX), 0, 4);
    Arrays.fill(values, vector);
    backend.write(values, parameters.gradient(VECTOR), 0, 1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector"})
  void stepsAreThoseOfTheFormula(String name) {
    try (Backend backend = Backends.open(name, 2);
        Parameters parameters = parameters(backend)) {
      var settings =
          new OptimizerSettings((float) BETA1, (float) BETA2, (float) EPS, (float) DECAY, CLIP, 0);
      var optimizer = new Optimizer(parameters, settings, backend);
      float[] ones = new float[64];
      Arrays.fill(ones, 1);
      backend.write(ones, parameters.master(), 0, 1);
      double[] p = {1, 1};
      double[] m = new double[2];
      double[] v = new double[2];
      float[][] gradients = {{3, -4}, {0.0625f, 0.03125f}, {-2, 0}}; // the second is not clipped
      for (int step = 1; step <= gradients.length; step++) {
        float[] g = gradients[step - 1];
        double norm = Math.sqrt(32 * ((double) g[0] * g[0] + (double) g[1] * g[1]));
        assertEquals(step == 2, norm < CLIP);
        fill(backend, parameters, g[0], g[1]);
        assertEquals(norm, optimizer.step(RATE), 1e-5 * norm);
        for (int i = 0; i < 2; i++) {
          double clipped = g[i] * Math.min(1, CLIP / norm);
          m[i] = BETA1 * m[i] + (1 - BETA1) * clipped;
          v[i] = BETA2 * v[i] + (1 - BETA2) * clipped * clipped;
          double mean = m[i] / (1 - Math.pow(BETA1, step));
          double square = v[i] / (1 - Math.pow(BETA2, step));
          p[i] = p[i] * (1 - RATE * DECAY) - RATE * mean / (Math.sqrt(square) + EPS);
          float[] found = parameters.get(parameters.master(), i == 0 ? MATRIX : VECTOR);
          for (float each : found) {
            assertEquals(p[i], each, 1e-5, "parameter " + i + " after step " + step);
          }
        }
        assertArrayEquals(new float[32], parameters.get(parameters.gradients(), MATRIX));
        assertEquals(step, optimizer.updates());
      }
    }
  }

  /** A first step is one of the rate, whatever the gradient: nearly, with a small epsilon. */
  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector"})
  void aParameterMayHaveARateOfItsOwn(String name) {
    try (Backend backend = Backends.open(name, 2);
        Parameters parameters = parameters(backend)) {
      var settings = new OptimizerSettings(0.9f, 0.95f, 1e-8f, 0, CLIP, 0);
      var optimizer =
          new Optimizer(parameters, settings, backend, part -> part.equals(VECTOR) ? 3 : 1);
      fill(backend, parameters, 1, -1);
      optimizer.step(RATE);
      for (int i = 0; i < 32; i++) {
        assertEquals(-RATE, parameters.get(parameters.master(), MATRIX)[i], 1e-5);
        assertEquals(3 * RATE, parameters.get(parameters.master(), VECTOR)[i], 1e-5);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector"})
  void aGradientThatIsNoNumberChangesNothing(String name) {
    try (Backend backend = Backends.open(name, 2);
        Parameters parameters = parameters(backend)) {
      var optimizer = new Optimizer(parameters, OptimizerSettings.defaults(), backend);
      fill(backend, parameters, 1, Float.NaN);
      var e = assertThrows(TrainingException.class, () -> optimizer.step(RATE));
      assertTrue(String.valueOf(e.getMessage()).contains(VECTOR), e.getMessage());
      assertArrayEquals(new float[32], parameters.get(parameters.master(), MATRIX));
      assertEquals(0, optimizer.updates());
    }
  }
}
