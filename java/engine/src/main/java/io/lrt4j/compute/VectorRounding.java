package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link Q8#write} and {@link Q4#write}, the same bytes, in vectors. Linked only where their module
 * is there.
 */
final class VectorRounding {
  private static final int BLOCK = DType.Q4.blockElements();
  private static final int HALF = BLOCK / 2;
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = F.length();

  // 1.5 * 2^23: adding it rounds to a whole number, which then is in the lowest bits.
  private static final float MAGIC = 12582912f;
  private static final int ZERO = Float.floatToRawIntBits(MAGIC);

  /** Scales of q4 with errors closer than that are told apart as Q4 does. */
  private static final float MARGIN = 1 + 0x1p-14f;

  private final int[] numbers = new int[BLOCK];
  private final float[] scales = new float[Q4.SCALES];
  private final float[] errors = new float[Q4.SCALES];

  /** Writes a block. */
  void write(DType type, float[] x, MemorySegment to, long at) {
    float largest = largest(x);
    boolean written = largest < Float.POSITIVE_INFINITY; // not NaN either
    if (written && type == DType.Q8) {
      writeQ8(x, largest, to, at);
    } else if (written) {
      written = writeQ4(x, largest, to, at);
    }
    if (!written) {
      Rounding.write(type, x, to, at);
    }
  }

  private static FloatVector part(float[] x, int i) {
    return FloatVector.fromArray(F, x, i);
  }

  /** NaN if there is one. */
  private static float largest(float[] x) {
    FloatVector largest = part(x, 0).abs();
    for (int i = LANES; i < BLOCK; i += LANES) {
      largest = largest.max(part(x, i).abs());
    }
    return largest.reduceLanes(VectorOperators.MAX);
  }

  private void writeQ8(float[] x, float largest, MemorySegment to, long at) {
    short scale = Float.floatToFloat16(largest / Q8.LARGEST);
    float inverse = scale == 0 ? 0 : 1 / Float.float16ToFloat(scale);
    to.set(Rounding.SHORT, at, scale);
    for (int i = 0; i < BLOCK; i += LANES) {
      FloatVector n = part(x, i).mul(inverse).max(-Q8.LARGEST).min(Q8.LARGEST);
      n.add(MAGIC).reinterpretAsInts().intoArray(numbers, i);
    }
    for (int i = 0; i < BLOCK; i++) {
      to.set(ValueLayout.JAVA_BYTE, at + Short.BYTES + i, (byte) numbers[i]);
    }
  }

  /** Returns whether it is sure of the scale: not among two that are next to as good, or zero. */
  private boolean writeQ4(float[] x, float magnitude, MemorySegment to, long at) {
    float largest = x[indexOf(magnitude, x)];
    int best = 0;
    for (int s = 0; s < Q4.SCALES; s++) {
      scales[s] = Q4.scale(largest, s);
      errors[s] = error(x, scales[s]);
      best = errors[s] < errors[best] ? s : best;
    }
    for (int s = 0; s < Q4.SCALES; s++) {
      if (s != best && !(errors[s] > errors[best] * MARGIN)) { // NaN as well
        return false;
      }
    }
    FloatVector by = FloatVector.broadcast(F, scales[best]);
    for (int i = 0; i < BLOCK; i += LANES) {
      rounded(part(x, i).div(by)).reinterpretAsInts().sub(ZERO - 8).intoArray(numbers, i);
    }
    to.set(Rounding.SHORT, at, Float.floatToFloat16(scales[best]));
    for (int i = 0; i < HALF; i++) {
      int both = numbers[i] | numbers[i + HALF] << 4;
      to.set(ValueLayout.JAVA_BYTE, at + Short.BYTES + i, (byte) both);
    }
    return true;
  }

  /** The first that has this magnitude. */
  private static int indexOf(float magnitude, float[] x) {
    for (int i = 0; i < BLOCK; i += LANES) {
      VectorMask<Float> here = part(x, i).abs().compare(VectorOperators.EQ, magnitude);
      if (here.anyTrue()) {
        return i + here.firstTrue();
      }
    }
    throw new AssertionError(magnitude);
  }

  /** To the nearest whole number from -8 to 7; it is in the lowest bits. */
  private static FloatVector rounded(FloatVector n) {
    return n.max(-8).min(7).add(MAGIC);
  }

  /**
   * The squared error at a scale, within 2^-16 of it: summed up in floats, of products with the
   * inverse, by which some numbers next to n + 1/2 are rounded the other way.
   */
  private static float error(float[] x, float scale) {
    FloatVector inverse = FloatVector.broadcast(F, 1 / scale);
    FloatVector minus = FloatVector.broadcast(F, -scale);
    FloatVector error = FloatVector.zero(F);
    for (int i = 0; i < BLOCK; i += LANES) {
      FloatVector v = part(x, i);
      FloatVector wrong = rounded(v.mul(inverse)).sub(MAGIC).fma(minus, v);
      error = wrong.fma(wrong, error);
    }
    return error.reduceLanes(VectorOperators.ADD);
  }
}
