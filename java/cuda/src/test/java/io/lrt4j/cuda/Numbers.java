package io.lrt4j.cuda;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;

/** Random numbers and weights. */
final class Numbers {
  static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);

  private final SplittableRandom random;
  private final Arena arena = Arena.ofAuto();

  Numbers(long seed) {
    random = new SplittableRandom(seed);
  }

  int below(int bound) {
    return random.nextInt(bound);
  }

  /** Numbers below {@code bound}. */
  int[] ids(int n, int bound) {
    return random.ints(n, 0, bound).toArray();
  }

  /** Bell-shaped around {@code mean}. */
  float[] normal(int n, double mean, double deviation) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return values;
  }

  /** A weight off any alignment, every eighth element of it subnormal in f16. */
  Weight weight(DType dtype, int rows, int cols) {
    float[] values = normal(Math.multiplyExact(rows, cols), 0, 1 / Math.sqrt(cols));
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(8) == 0 ? values[i] * 0x1p-15f : values[i];
    }
    return weight(dtype, rows, cols, values, 2 * random.nextInt(32) + 1);
  }

  Weight weight(DType dtype, int rows, int cols, float[] values, int misaligned) {
    long bytes = dtype.bytes((long) rows * cols);
    MemorySegment data = arena.allocate(bytes + misaligned, 64).asSlice(misaligned, bytes);
    for (int i = 0; i < values.length; i++) {
      switch (dtype) {
        case F32 -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i, values[i]);
        case F16 ->
            data.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, Float.floatToFloat16(values[i]));
        case BF16 ->
            data.set(
                ValueLayout.JAVA_SHORT_UNALIGNED,
                2L * i,
                (short) (Float.floatToRawIntBits(values[i]) >>> 16));
        case Q8, Q4 ->
            throw new IllegalArgumentException("rounded weights have no single elements");
      }
    }
    return new Weight(dtype, rows, cols, data);
  }

  /** A vector around one. */
  Weight scales(int n) {
    return weight(DType.F32, 1, n, normal(n, 1, 0.2), 4);
  }
}
