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
      List.of(example(12, 7), example(), example(9_999, -1, 0), example(8, 340, 21, 5));

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
      for (int q = 0, next; q < EXAMPLES.size(); q = next) { // a batch of one, and of the rest
        next = q == 0 ? 1 : EXAMPLES.size();
        int rows = (next - q) * LATENTS;
        Tensor latents = memory.allocate(rows, WIDTH);
        Tensor gradient = memory.allocate(rows, WIDTH);
        int at = q * LATENTS * WIDTH;
        float[] part = new float[rows * WIDTH];
        System.arraycopy(z, at, part, 0, part.length);
        backend.write(part, latents, 0, rows);
        backend.training().zero(gradient, rows);
        heads.scoreAndDerive(latents, LATENTS, EXAMPLES.subList(q, next));
        heads.addGradient(gradient);
        backend.read(gradient, 0, part, rows);
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
      float[] untrained = new float[EXAMPLES.size() * LATENTS * WIDTH];
      double even = loss(backend, parameters, untrained, untrained.clone());
      assertEquals(WEIGHT * StepHeads.PLACES * Math.log(10), even, 1e-5, "of a step, at first");
      var random = new SplittableRandom(3);
      int count = Math.toIntExact(parameters.elements());
      float[] p = new float[count];
      float[] z = new float[EXAMPLES.size() * LATENTS * WIDTH];
      fill(p, random);
      fill(z, random);
      backend.write(p, parameters.values(), 0, 1);
      float[] dz = new float[z.length];
      loss(backend, parameters, z, dz);
      for (int row = 0; row < EXAMPLES.size() * LATENTS; row++) { // step j is read from latent j
        int[] steps = EXAMPLES.get(row / LATENTS).steps();
        boolean read = row % LATENTS < steps.length && steps[row % LATENTS] >= 0;
        assertEquals(read, dz[row * WIDTH] != 0, "latent " + row);
      }
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
