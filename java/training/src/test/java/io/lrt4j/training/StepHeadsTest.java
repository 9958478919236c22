package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StepHeadsTest {
  private static final int WIDTH = 7;
  private static final int LATENTS = 3;
  private static final double WEIGHT = 0.5;
  private static final List<Example> EXAMPLES =
      List.of(example(12, 7, 340, 5), example(), example(9_999, -1, 0));

  private static Example example(int... steps) {
    return new Example(new int[] {1}, List.of(new int[] {2}), steps);
  }

  @Test
  void theLastNumberOfEveryCalculationIsAStep() {
    assertArrayEquals(new int[] {16, 8}, StepHeads.values("4*3=12, 4+12=16\n16/2=8"));
    assertArrayEquals(
        new int[] {24, 72},
        StepHeads.values("She sold 48/2 = <<48/2=24>>24 in May.\nShe sold\nSo 48+24 = 72 in all."));
    assertArrayEquals(new int[] {-1}, StepHeads.values("99*200=19800"));
    assertArrayEquals(new int[] {}, StepHeads.values("12/60=0.2 of 1,000\nx=-5\nno number"));
  }

  /** Sum of weighted losses, with gradients where they belong. */
  private static double loss(Backend backend, Parameters parameters, float[] z, float[] dz) {
    try (var heads = new StepHeads(parameters, backend, WEIGHT, WIDTH);
        Memory memory = backend.newMemory()) {
      backend.training().zero(parameters.gradients(), 1);
      heads.begin(EXAMPLES, LATENTS);
      for (int q = 0; q < EXAMPLES.size(); q++) { // each a batch of its own
        Tensor latents = memory.allocate(LATENTS, WIDTH);
        Tensor gradient = memory.allocate(LATENTS, WIDTH);
        int at = q * LATENTS * WIDTH;
        float[] part = new float[LATENTS * WIDTH];
        System.arraycopy(z, at, part, 0, part.length);
        backend.write(part, latents, 0, LATENTS);
        backend.training().zero(gradient, LATENTS);
        heads.scoreAndDerive(latents, LATENTS, EXAMPLES.subList(q, q + 1));
        heads.addGradient(gradient);
        backend.read(gradient, 0, part, LATENTS);
        System.arraycopy(part, 0, dz, at, part.length);
      }
      return WEIGHT * heads.value();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector"})
  void gradientsAreThoseOfFiniteDifferences(String name) {
    try (Backend backend = Backends.openForTraining(name, 1);
        var parameters =
            new Parameters(new TensorLayout("", StepHeads.shapes(WIDTH)), backend, false)) {
      var random = new SplittableRandom(3);
      int count = Math.toIntExact(parameters.elements());
      float[] p = new float[count];
      float[] z = new float[EXAMPLES.size() * LATENTS * WIDTH];
      fill(p, random);
      fill(z, random);
      backend.write(p, parameters.values(), 0, 1);
      float[] dz = new float[z.length];
      loss(backend, parameters, z, dz);
      float[] dp = new float[count];
      backend.read(parameters.gradients(), 0, dp, 1);
      float step = 1e-2f;
      for (int i = 0; i < z.length; i++) {
        float[] moved = z.clone();
        moved[i] += step;
        double above = loss(backend, parameters, moved, dz.clone());
        moved[i] = z[i] - step;
        double below = loss(backend, parameters, moved, dz.clone());
        assertEquals((above - below) / (2 * step), dz[i], 1e-4, "latents " + i);
      }
      for (int i = 0; i < count; i += 11) {
        float[] moved = p.clone();
        moved[i] += step;
        backend.write(moved, parameters.values(), 0, 1);
        double above = loss(backend, parameters, z, dz.clone());
        moved[i] = p[i] - step;
        backend.write(moved, parameters.values(), 0, 1);
        double below = loss(backend, parameters, z, dz.clone());
        assertEquals((above - below) / (2 * step), dp[i], 1e-4, "parameters " + i);
      }
    }
  }

  private static void fill(float[] x, SplittableRandom random) {
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextDouble(-1, 1);
    }
  }
}
