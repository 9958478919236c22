package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link Q4#write} of some blocks at a time, a block to a lane: the same bytes. Linked only where
 * the module of vectors is there.
 */
final class Q4Lanes {
  private static final int BLOCK = DType.Q4.blockElements();
  private static final int HALF = BLOCK / 2;
  private static final int GROUP = 4; // bytes that are written at a time
  private static final VectorSpecies<Double> D = DoubleVector.SPECIES_PREFERRED;
  private static final VectorShape NARROW = VectorShape.forBitSize(D.vectorBitSize() / 2);
  private static final VectorSpecies<Float> F = VectorSpecies.of(float.class, NARROW);
  private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, NARROW);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Blocks that are written at a time: as many as a vector has doubles, which hold the errors. */
  static final int LANES = D.length();

  // 1.5 * 2^23: adding it rounds to a whole number, which then is in the lowest bits.
  private static final float MAGIC = 12582912f;
  private static final int ZERO = Float.floatToRawIntBits(MAGIC);
  private static final int LEAST = ZERO - 8;
  private static final int MOST = ZERO + 7;

  private final float[] x = new float[BLOCK * LANES]; // [element][lane]
  private final int[] numbers = new int[HALF / GROUP * LANES]; // [group][lane]
  private final float[] largest = new float[LANES]; // with their signs
  private final float[] scales = new float[LANES];
  private final double[] errors = new double[LANES];
  private final double[] least = new double[LANES];
  private final short[] best = new short[LANES];

  /**
   * Writes some blocks.
   *
   * @param from numbers of a plain type
   * @param block the first, counted from the beginning of {@code from}, and of {@code to}
   * @param count of them, at most {@link #LANES}
   */
  void write(Weight from, long block, int count, MemorySegment to) {
    load(from, block, count);
    findLargest();
    findScales();
    for (int lane = 0; lane < LANES; lane++) {
      scales[lane] = Float.float16ToFloat(best[lane]);
    }
    round();
    for (int lane = 0; lane < count; lane++) {
      long at = (block + lane) * DType.Q4.blockBytes();
      to.set(Rounding.SHORT, at, best[lane]);
      for (int g = 0; g < HALF / GROUP; g++) {
        to.set(INT, at + Short.BYTES + (long) g * GROUP, numbers[g * LANES + lane]);
      }
    }
  }

  private void load(Weight from, long block, int count) {
    DType type = from.dtype();
    MemorySegment data = from.data();
    if (count < LANES) {
      Arrays.fill(x, 0);
    }
    for (int lane = 0; lane < count; lane++) {
      long first = (block + lane) * BLOCK;
      for (int i = 0; i < BLOCK; i++) {
        x[i * LANES + lane] = type.load(data, first + i);
      }
    }
  }

  /** NaN where a block has one. */
  private void findLargest() {
    FloatVector found = FloatVector.zero(F);
    FloatVector nan = FloatVector.zero(F);
    for (int k = 0; k < BLOCK * LANES; k += LANES) {
      FloatVector v = FloatVector.fromArray(F, x, k);
      found = found.blend(v, v.abs().compare(VectorOperators.GT, found.abs()));
      nan = nan.add(v.mul(0f)); // of infinities too
    }
    found.intoArray(largest, 0);
    if (!nan.test(VectorOperators.IS_NAN).anyTrue()) {
      return;
    }
    for (int k = 0; k < BLOCK * LANES; k++) {
      if (Float.isNaN(x[k])) {
        largest[k % LANES] = Float.NaN;
      }
    }
  }

  private void findScales() {
    Arrays.fill(best, Float.floatToFloat16(Float.NaN)); // as in Q4
    Arrays.fill(least, Double.POSITIVE_INFINITY);
    for (int quarters = 28; quarters <= 36; quarters++) { // the largest becomes -7 to -9
      for (int lane = 0; lane < LANES; lane++) {
        scales[lane] = Float.float16ToFloat(Float.floatToFloat16(largest[lane] * -4 / quarters));
      }
      findErrors();
      for (int lane = 0; lane < LANES; lane++) {
        if (errors[lane] < least[lane]) {
          least[lane] = errors[lane];
          best[lane] = Float.floatToFloat16(scales[lane]);
        }
      }
    }
    for (int lane = 0; lane < LANES; lane++) {
      if (largest[lane] == 0) {
        best[lane] = 0;
      }
    }
  }

  /** What numbers are divided by: a scale of 0 makes 0 of all of them. */
  private static FloatVector divisor(FloatVector scale) {
    return scale.blend(Float.POSITIVE_INFINITY, scale.compare(VectorOperators.EQ, 0f));
  }

  /**
   * The squared error of every block. Where it is finite, what is rounded is: the largest number
   * makes up to 18 scales, in f16's subnormals.
   */
  private void findErrors() {
    FloatVector scale = FloatVector.fromArray(F, scales, 0);
    FloatVector by = divisor(scale);
    DoubleVector error = DoubleVector.zero(D);
    for (int k = 0; k < BLOCK * LANES; k += LANES) {
      FloatVector v = FloatVector.fromArray(F, x, k);
      FloatVector rounded =
          v.div(by)
              .add(MAGIC)
              .reinterpretAsInts()
              .max(LEAST)
              .min(MOST)
              .reinterpretAsFloats()
              .sub(MAGIC);
      DoubleVector wrong =
          (DoubleVector) v.sub(scale.mul(rounded)).convertShape(VectorOperators.F2D, D, 0);
      error = error.add(wrong.mul(wrong));
    }
    error.intoArray(errors, 0);
  }

  private void round() {
    FloatVector by = divisor(FloatVector.fromArray(F, scales, 0));
    for (int g = 0; g < HALF / GROUP; g++) {
      IntVector bytes = IntVector.zero(I);
      for (int i = 0; i < GROUP; i++) {
        IntVector low = number(GROUP * g + i, by);
        IntVector high = number(GROUP * g + i + HALF, by);
        IntVector both = low.or(high.lanewise(VectorOperators.LSHL, 4));
        bytes = bytes.or(both.lanewise(VectorOperators.LSHL, 8 * i));
      }
      bytes.intoArray(numbers, g * LANES);
    }
  }

  /** Element {@code i} of every block, 8 higher than it is. */
  private IntVector number(int i, FloatVector by) {
    FloatVector v = FloatVector.fromArray(F, x, i * LANES).div(by);
    FloatVector finite = v.blend(0f, v.test(VectorOperators.IS_NAN));
    return finite.add(MAGIC).reinterpretAsInts().max(LEAST).min(MOST).sub(LEAST);
  }
}
