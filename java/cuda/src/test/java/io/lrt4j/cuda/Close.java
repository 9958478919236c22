package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** How close two results are. */
final class Close {
  /** Normalised mean squared error of two f32 computations that differ in order only. */
  private static final double NMSE = 1e-9;

  /** Largest error, as a fraction of the largest expected magnitude. */
  private static final double ERROR = 3e-5;

  private Close() {}

  static void assertClose(float[] expected, float[] got, String what) {
    assertClose(expected, got, 1, what);
  }

  /** Of computations with fewer bits: errors may be {@code times} as large. */
  static void assertClose(float[] expected, float[] got, double times, String what) {
    assertEquals(expected.length, got.length, what);
    double largest = 0;
    double worst = 0;
    double squares = 0;
    double errors = 0;
    for (int i = 0; i < expected.length; i++) {
      assertTrue(Float.isFinite(got[i]), what + ": [" + i + "] is " + got[i]);
      double difference = Math.abs((double) expected[i] - got[i]);
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, difference);
      squares += (double) expected[i] * expected[i];
      errors += difference * difference;
    }
    assertTrue(worst <= times * ERROR * largest, what + ": error " + worst + " of " + largest);
    assertTrue(errors <= times * times * NMSE * squares, what + ": NMSE " + errors / squares);
  }
}
