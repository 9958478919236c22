package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@link DType#Q8}: signed bytes, the scale being the largest magnitude / 127. */
final class Q8 {
  static final int BLOCK = DType.Q8.blockElements();
  static final int LARGEST = 127;

  private Q8() {}

  /** Writes one block, of elements from {@code from} on. */
  static void write(float[] x, int from, MemorySegment to, long at) {
    short scale = Float.floatToFloat16(largest(x, from) / LARGEST);
    float inverse = scale == 0 ? 0 : 1 / Float.float16ToFloat(scale);
    to.set(Rounding.SHORT, at, scale);
    for (int i = 0; i < BLOCK; i++) {
      double rounded = Math.rint(x[from + i] * inverse); // the scale was rounded too: it may be 128
      to.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) Math.clamp(rounded, -LARGEST, LARGEST));
    }
  }

  /** Whether there is a scale for a block with this number. */
  static boolean holds(float x) {
    return Float.isFinite(Float.float16ToFloat(Float.floatToFloat16(x / LARGEST)));
  }

  /** The largest magnitude of a block. */
  static float largest(float[] x, int from) {
    float largest = 0;
    for (int i = from; i < from + BLOCK; i++) {
      largest = Math.max(largest, Math.abs(x[i])); // NaN stays NaN
    }
    return largest;
  }

  /** The whole number that a block of bytes makes with one of a weight; without their scales. */
  static int dot(byte[] x, int from, MemorySegment weight, long at) {
    int sum = 0;
    for (int i = 0; i < BLOCK; i++) {
      sum += x[from + i] * weight.get(ValueLayout.JAVA_BYTE, at + 2 + i);
    }
    return sum;
  }
}
