package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

/** How close two results are. */
public final class Accuracy {
  private Accuracy() {}

  /**
   * Everything is finite, no error exceeds {@code error} times the largest expected magnitude, and
   * the squared errors are at most {@code nmse} of the squares.
   */
  public static void assertClose(
      float[] expected, float[] got, double error, double nmse, String what) {
    assertEquals(expected.length, got.length, what);
    double largest = 0;
    double worst = 0;
    double squares = 0;
    double errorSquares = 0;
    for (int i = 0; i < expected.length; i++) {
      double difference = Math.abs((double) expected[i] - got[i]);
      if (!Float.isFinite(got[i])) {
        fail(what + ": [" + i + "] is " + got[i] + ", expected " + expected[i]);
      }
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = Math.max(worst, difference);
      squares += (double) expected[i] * expected[i];
      errorSquares += difference * difference;
    }
    assertTrue(worst <= error * largest, what + ": error " + worst + " of " + largest);
    assertTrue(errorSquares <= nmse * squares, what + ": NMSE " + errorSquares / squares);
  }

  /** Equal to the last bit. */
  public static void assertSameBits(float[] expected, float[] got, String what) {
    assertArrayEquals(bits(expected), bits(got), what);
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }
}
