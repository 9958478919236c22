package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@link DType#Q4}: whole numbers from -8 to 7, stored 8 higher. Of several scales the one with the
 * least squared error is taken; it has the sign that gives the largest magnitude the longer side.
 */
final class Q4 {
  private static final int BLOCK = DType.Q4.blockElements();
  private static final int HALF = BLOCK / 2;
  private static final int ZERO = 8;
  private static final int LEAST_QUARTERS = 28;
  private static final int MOST_QUARTERS = 36;

  /** How many scales are tried. */
  static final int SCALES = MOST_QUARTERS - LEAST_QUARTERS + 1;

  private Q4() {}

  /** Writes one block: byte i holds element i in its low bits and element i + 16 in its high. */
  static void write(float[] x, MemorySegment to, long at) {
    short scale = scale(x);
    float value = Float.float16ToFloat(scale);
    to.set(Rounding.SHORT, at, scale);
    for (int i = 0; i < HALF; i++) {
      int low = round(x[i], value) + ZERO;
      int high = round(x[i + HALF], value) + ZERO;
      to.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) (low | high << 4));
    }
  }

  /** Whether there is a scale for a block with this number. */
  static boolean holds(float x) {
    return Float.isFinite(Float.float16ToFloat(Float.floatToFloat16(x * -4 / MOST_QUARTERS)));
  }

  private static short scale(float[] x) {
    float largest = 0; // with its sign
    for (float v : x) {
      if (!(Math.abs(v) <= Math.abs(largest))) { // NaN stays NaN
        largest = v;
      }
      if (Float.isNaN(largest)) {
        return Float.floatToFloat16(Float.NaN);
      }
    }
    if (largest == 0) {
      return 0;
    }
    short best = Float.floatToFloat16(Float.NaN); // infinite, or too large for f16's scales
    double least = Double.POSITIVE_INFINITY;
    for (int s = 0; s < SCALES; s++) {
      float value = scale(largest, s);
      double error = 0;
      for (float v : x) {
        double wrong = v - value * round(v, value);
        error += wrong * wrong;
      }
      if (error < least) {
        least = error;
        best = Float.floatToFloat16(value);
      }
    }
    return best;
  }

  /** A scale to try: one of those with which the largest number becomes -7 to -9, by quarters. */
  static float scale(float largest, int s) {
    return Float.float16ToFloat(Float.floatToFloat16(largest * -4 / (LEAST_QUARTERS + s)));
  }

  private static int round(float x, float scale) {
    return scale == 0 ? 0 : (int) Math.clamp(Math.rint(x / scale), -ZERO, ZERO - 1);
  }

  /** The whole number that a block of bytes makes with one of a weight; without their scales. */
  static int dot(byte[] x, int from, MemorySegment weight, long at) {
    int sum = 0;
    for (int i = 0; i < HALF; i++) {
      int both = weight.get(ValueLayout.JAVA_BYTE, at + 2 + i);
      sum += x[from + i] * ((both & 15) - ZERO);
      sum += x[from + HALF + i] * ((both >> 4 & 15) - ZERO);
    }
    return sum;
  }
}
