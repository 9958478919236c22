package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/**
 * Weights in fewer bits: blocks of 32 whole numbers that share a scale. Activations are rounded
 * likewise as they come ({@link RoundedRow}), so that products are whole numbers within a block and
 * all backends agree on them.
 */
public final class Rounding {
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Rounding() {}

  /**
   * What a projection's weight is kept as: what it is, if its rows are no whole blocks.
   *
   * @throws BackendException if it is rounded already, to another type
   */
  public static DType type(Quantization quantization, Weight weight) {
    DType type =
        switch (quantization) {
          case NONE, BF16 -> weight.dtype();
          case Q8 -> DType.Q8;
          case Q4 -> DType.Q4;
        };
    if (weight.panels() && type != weight.dtype()) {
      throw new BackendException(
          "weights stored as " + weight.dtype() + " cannot be rounded to " + type);
    }
    return weight.cols() % type.blockElements() == 0 ? type : weight.dtype();
  }

  /** Writes a weight of a plain type as a rounded one; rows in parallel. */
  public static Weight round(Weight weight, DType type, MemorySegment to) {
    int size = type.blockElements();
    int blocks = weight.cols() / size;
    IntStream.range(0, weight.rows())
        .parallel()
        .forEach(
            row -> {
              float[] x = new float[size];
              for (int block = 0; block < blocks; block++) {
                long first = (long) row * weight.cols() + (long) block * size;
                for (int i = 0; i < size; i++) {
                  x[i] = weight.dtype().load(weight.data(), first + i);
                }
                write(type, x, to, ((long) row * blocks + block) * type.blockBytes());
              }
            });
    return new Weight(type, weight.rows(), weight.cols(), to);
  }

  /**
   * Writes {@code n} numbers, whole blocks, from {@code from} on as q8 ones from byte {@code at}
   * on.
   */
  public static void writeQ8(float[] x, int from, int n, MemorySegment to, long at) {
    for (int i = 0; i < n; i += Q8.BLOCK) {
      Q8.write(x, from + i, to, at + DType.Q8.bytes(i));
    }
  }

  private static void write(DType type, float[] x, MemorySegment to, long at) {
    switch (type) {
      case Q8 -> Q8.write(x, 0, to, at);
      case Q4 -> Q4.write(x, to, at);
      default -> throw new IllegalArgumentException(type + " is not rounded to");
    }
  }
}
