package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.IntToDoubleFunction;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

/** exp and sums: their accuracy, and that the vector and the scalar form agree to the bit. */
class LanesTest {
  private static final double EXP_ERROR = 2e-7;

  /** Every 211th number of either sign whose exponential is a normal float. */
  @Test
  void exp() {
    float[] x = new float[Lanes.N];
    float[] e = new float[Lanes.N];
    int last = Float.floatToRawIntBits(89f);
    int n = 0;
    for (int bits = 0; bits < last; bits += 211) {
      x[n++] = Float.intBitsToFloat(bits);
      x[n++] = -Float.intBitsToFloat(bits);
      if (n == x.length) {
        n = 0;
        Lanes.exp(FloatVector.fromArray(Lanes.F, x, 0)).intoArray(e, 0);
        for (int i = 0; i < x.length; i++) {
          assertExp(x[i], e[i]);
        }
      }
    }
  }

  private static void assertExp(float x, float vector) {
    float scalar = Lanes.exp(x);
    if (Float.floatToRawIntBits(scalar) != Float.floatToRawIntBits(vector)) {
      assertEquals(scalar, vector, "exp(" + x + ")");
    }
    if (x < -87.33654f) {
      assertEquals(0f, vector, "exp(" + x + ")");
      return;
    }
    double exact = Math.exp(Math.min(x, 88.02f)); // within an ulp of a double
    if (Math.abs(vector - exact) > EXP_ERROR * exact) {
      assertEquals(exact, vector, EXP_ERROR * exact, "exp(" + x + ")");
    }
  }

  @Test
  void expAtTheEnds() {
    float[] ends = {
      Float.NaN,
      Float.NEGATIVE_INFINITY,
      -Float.MAX_VALUE,
      -87.33655f,
      Math.nextDown(-87.33654f),
      -87.33654f,
      Math.nextUp(-87.33654f),
      -0f,
      0f,
      Float.MIN_VALUE,
      88.02f,
      88.7f,
      Float.MAX_VALUE,
      Float.POSITIVE_INFINITY
    };
    for (float x : ends) {
      float[] e = new float[Lanes.N];
      Lanes.exp(FloatVector.broadcast(Lanes.F, x)).intoArray(e, 0);
      if (Float.isNaN(x)) {
        assertTrue(Float.isNaN(e[0]) && Float.isNaN(Lanes.exp(x)));
      } else {
        assertExp(x, e[0]);
      }
    }
    assertEquals(1f, Lanes.exp(0f));
    assertEquals(1f, Lanes.exp(-0f));
  }

  /** A NaN or an infinity in one lane leaves the others alone. */
  @Test
  void expOfMixedLanes() {
    float[] x = new Numbers(1).normal(Lanes.N, 0, 10);
    for (int lane = 0; lane < Lanes.N; lane++) {
      float[] mixed = x.clone();
      mixed[lane] = lane % 3 == 0 ? Float.NaN : lane % 3 == 1 ? -1e30f : 1e30f;
      float[] e = new float[Lanes.N];
      Lanes.exp(FloatVector.fromArray(Lanes.F, mixed, 0)).intoArray(e, 0);
      for (int i = 0; i < Lanes.N; i++) {
        assertEquals(Lanes.exp(mixed[i]), e[i], "lane " + i);
      }
    }
  }

  /** Lane i is added to lane i + N/2, and so on by halves. */
  @Test
  void sum() {
    Numbers numbers = new Numbers(2);
    for (int trial = 0; trial < 20_000; trial++) {
      float[] values = numbers.normal(2 * Lanes.N, 0, trial % 2 == 0 ? 1 : 1e18);
      values[trial % values.length] *= 1e8f;
      int at = trial % Lanes.N;
      float expected = pairwise(i -> values[at + i], Lanes.N);
      assertEquals(expected, Lanes.sum(FloatVector.fromArray(Lanes.F, values, at)));
    }
  }

  private static float pairwise(IntToDoubleFunction value, int n) {
    if (n == 1) {
      return (float) value.applyAsDouble(0);
    }
    int half = n / 2;
    return pairwise(
        i -> (float) value.applyAsDouble(i) + (float) value.applyAsDouble(i + half), half);
  }
}
