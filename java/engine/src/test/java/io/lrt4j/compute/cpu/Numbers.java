package io.lrt4j.compute.cpu;

import io.lrt4j.Accuracy;
import io.lrt4j.compute.DType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SplittableRandom;

/** Random tensors, and how close two results are. */
final class Numbers {
  /** Normalised mean squared error of two f32 computations that differ in order only. */
  private static final double NMSE = 1e-9;

  /** Largest error, as a fraction of the largest expected magnitude. */
  private static final double ERROR = 3e-5;

  /** Types whose elements stand alone. */
  static final List<DType> PLAIN = List.of(DType.F32, DType.F16, DType.BF16);

  private final SplittableRandom random;

  Numbers(long seed) {
    random = new SplittableRandom(seed);
  }

  int below(int bound) {
    return random.nextInt(bound);
  }

  /** Bell-shaped around {@code mean}. */
  float[] normal(int n, double mean, double deviation) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return values;
  }

  /**
   * A weight off any alignment, every eighth element of it subnormal in f16, that must not change.
   */
  CpuTensor weight(GuardedMemory memory, DType dtype, int rows, int cols) {
    CpuTensor weight = memory.tensor(dtype, rows, cols, random.nextInt(64));
    float[] values = normal(Math.multiplyExact(rows, cols), 0, 1 / Math.sqrt(cols));
    for (int i = 0; i < values.length; i++) {
      float value = random.nextInt(8) == 0 ? values[i] * 0x1p-15f : values[i];
      store(weight, i, value);
    }
    memory.record(weight);
    return weight;
  }

  /** Element {@code i} of a tensor, rounded to its type. */
  static void store(CpuTensor tensor, int i, float value) {
    MemorySegment data = tensor.data();
    switch (tensor.dtype()) {
      case F32 -> data.set(CpuTensor.FLOAT, i * 4L, value);
      case F16 -> data.set(CpuTensor.SHORT, i * 2L, Float.floatToFloat16(value));
      case BF16 ->
          data.set(CpuTensor.SHORT, i * 2L, (short) (Float.floatToRawIntBits(value) >>> 16));
      case Q8, Q4 -> throw new IllegalArgumentException(tensor.dtype() + " has no single elements");
    }
  }

  /** The first rows of an f32 tensor. */
  static float[] rows(CpuTensor tensor, int rows) {
    float[] values = new float[rows * tensor.cols()];
    MemorySegment.copy(tensor.data(), CpuTensor.FLOAT, 0, values, 0, values.length);
    return values;
  }

  /** The elements of a vector of any type. */
  static float[] floats(CpuTensor vector) {
    float[] values = new float[vector.cols()];
    for (int c = 0; c < values.length; c++) {
      values[c] = vector.get(0, c);
    }
    return values;
  }

  /** One row of an f32 tensor. */
  static float[] row(CpuTensor tensor, int row) {
    float[] values = new float[tensor.cols()];
    MemorySegment.copy(tensor.data(), CpuTensor.FLOAT, tensor.row(row), values, 0, values.length);
    return values;
  }

  static void assertClose(float[] expected, float[] got, String what) {
    Accuracy.assertClose(expected, got, ERROR, NMSE, what);
  }
}
