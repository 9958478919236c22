package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.training.data.Lab;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Muon beside the same in plain loops and f64, on matrices that are wide, tall and odd. */
class MuonTest {
  private static final double RATE = 0.02;
  private static final double RATIO = 4;
  private static final double DECAY = 0.1;
  private static final double CLIP = 1;

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector"})
  void twoStepsAreThoseOfTheFormula(String name) {
    Path model = directory.resolve("model");
    LabModel.create(new LabModel.Size(270, 26, 37, 1, 2, 14), Lab.Range.EASY, 1, model);
    try (Backend backend = Backends.open(name, 2);
        Checkpoint checkpoint = Checkpoint.open(model);
        var parameters =
            new Parameters(TensorLayout.of(checkpoint.config(), "model."), backend, false)) {
      parameters.load(checkpoint::tensor);
      var settings = new OptimizerSettings(0.9f, 0.95f, 1e-8f, (float) DECAY, CLIP, RATIO);
      var optimizer = new Optimizer(parameters, settings, backend);
      Map<String, double[][]> expected = new HashMap<>();
      Map<String, double[][]> momenta = new HashMap<>();
      var random = new SplittableRandom(5);
      for (int step = 0; step < 2; step++) {
        Map<String, float[]> gradients = new LinkedHashMap<>();
        double norm = 0;
        for (var entry : parameters.parts().entrySet()) {
          Parameters.Part part = entry.getValue();
          float[] g = new float[part.rows() * part.cols()];
          for (int i = 0; i < g.length; i++) {
            g[i] =
                (float) random.nextGaussian() * (step == 0 ? 10 : 1); // momentum is of the clipped
            norm += g[i] * g[i];
          }
          backend.write(g, parameters.gradient(entry.getKey()), 0, part.rows());
          gradients.put(entry.getKey(), g);
        }
        double scale = CLIP / Math.sqrt(norm);
        for (var entry : parameters.parts().entrySet()) {
          Parameters.Part part = entry.getValue();
          if (!Muon.owns(entry.getKey(), part)) {
            continue;
          }
          float[] g = Objects.requireNonNull(gradients.get(entry.getKey()));
          for (int i = 0; i < g.length; i++) {
            g[i] *= (float) scale;
          }
          double[][] p =
              expected.computeIfAbsent(
                  entry.getKey(),
                  n -> matrix(parameters.get(parameters.master(), n), part.rows(), part.cols()));
          double[][] m =
              momenta.computeIfAbsent(entry.getKey(), n -> new double[part.rows()][part.cols()]);
          update(p, matrix(g, part.rows(), part.cols()), m);
        }
        optimizer.step(RATE / RATIO);
      }
      assertEquals(7, expected.size());
      expected.forEach(
          (part, p) -> {
            float[] found = parameters.get(parameters.master(), part);
            for (int i = 0; i < found.length; i++) {
              assertEquals(p[i / p[0].length][i % p[0].length], found[i], 2e-5, part);
            }
          });
    }
  }

  /** Latents are as large as the base's embeddings: so are the steps of what writes them. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 4})
  void theOutputProjectionHasARateOfItsOwnBesideMuon(double ratio) {
    Miniature models = Miniature.in(directory);
    var settings = new OptimizerSettings(0.9f, 0.95f, 1e-12f, 0, Double.MAX_VALUE, ratio);
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1);
        var model = new LatentModel(models.base(), models.network(), backend, 0, false, false)) {
      Parameters parameters = model.parameters();
      Map<String, float[]> before = new HashMap<>();
      for (String name : parameters.parts().keySet()) {
        before.put(name, parameters.get(parameters.master(), name));
      }
      float[] g = new float[Math.toIntExact(parameters.elements())];
      Arrays.fill(g, 1);
      backend.write(g, parameters.gradients(), 0, 1);
      model.optimizer(settings).step(RATE);
      double size = model.path().embeddingSize();
      assertTrue(size < 0.5, "embeddings: " + size);
      int own = 0;
      for (var part : parameters.parts().entrySet()) {
        if (ratio > 0 && Muon.owns(part.getKey(), part.getValue())) {
          continue;
        }
        boolean output = ratio > 0 && part.getKey().startsWith("out_proj.");
        own += output ? 1 : 0;
        float[] old = Objects.requireNonNull(before.get(part.getKey()));
        float[] found = parameters.get(parameters.master(), part.getKey());
        for (int i = 0; i < found.length; i++) {
          assertEquals(RATE * (output ? size : 1), old[i] - found[i], 1e-5, part.getKey());
        }
      }
      assertEquals(ratio > 0, own > 0, parameters.parts().keySet().toString());
    }
  }

  private static double[][] matrix(float[] flat, int rows, int cols) {
    double[][] x = new double[rows][cols];
    for (int i = 0; i < flat.length; i++) {
      x[i / cols][i % cols] = flat[i];
    }
    return x;
  }

  private static void update(double[][] p, double[][] g, double[][] m) {
    int rows = p.length;
    int cols = p[0].length;
    double[][] x = new double[rows][cols];
    double norm = 0;
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cols; j++) {
        m[i][j] = 0.95 * m[i][j] + 0.05 * g[i][j];
        x[i][j] = 0.05 * g[i][j] + 0.95 * m[i][j];
        norm += x[i][j] * x[i][j];
      }
    }
    for (double[] row : x) {
      for (int j = 0; j < cols; j++) {
        row[j] /= Math.sqrt(norm);
      }
    }
    for (int i = 0; i < 5; i++) {
      double[][] a = times(x, transposed(x));
      double[][] aa = times(a, a);
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < rows; c++) {
          a[r][c] = -4.7750 * a[r][c] + 2.0315 * aa[r][c];
        }
      }
      double[][] next = times(a, x);
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) {
          x[r][c] = 3.4445 * x[r][c] + next[r][c];
        }
      }
    }
    double length = 0;
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cols; j++) {
        length += x[i][j] * x[i][j];
        double scaled = x[i][j] * Math.sqrt(Math.max(1, (double) rows / cols));
        p[i][j] = p[i][j] * (1 - RATE * DECAY) - RATE * scaled;
      }
    }
    double singular = Math.sqrt(length / Math.min(rows, cols)); // their root mean square
    assertTrue(singular > 0.6 && singular < 1.3, "singular values: " + singular);
  }

  private static double[][] transposed(double[][] x) {
    double[][] y = new double[x[0].length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < y.length; j++) {
        y[j][i] = x[i][j];
      }
    }
    return y;
  }

  private static double[][] times(double[][] a, double[][] b) {
    double[][] c = new double[a.length][b[0].length];
    for (int i = 0; i < a.length; i++) {
      for (int k = 0; k < b.length; k++) {
        for (int j = 0; j < c[0].length; j++) {
          c[i][j] += a[i][k] * b[k][j];
        }
      }
    }
    return c;
  }
}
