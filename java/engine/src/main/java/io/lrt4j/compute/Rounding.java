package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Weights in fewer bits: blocks of 32 whole numbers that share a scale. Activations are rounded
 * likewise as they come ({@link RoundedRow}), so that products are whole numbers within a block and
 * all backends agree on them.
 */
public final class Rounding {
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final long MANY = 1 << 18; // elements
  private static final int SOME = 256; // steps that make a task

  /** Asked for where it is wanted: without their module, nothing of them may be touched. */
  private static final class Vectors {
    static final boolean THERE = Backends.fast("vector");

    /** Whether they are quicker by now: not before they are compiled, which takes its time. */
    static volatile boolean quick;
  }

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

  /**
   * Writes a weight of a plain type as a rounded one; rows in parallel.
   *
   * @throws UnroundableException if it has numbers that are not finite, or too large
   */
  public static Weight round(Weight weight, DType type, MemorySegment to) {
    if (!write(weight, type, to)) {
      throw unroundable(weight, type);
    }
    return new Weight(type, weight.rows(), weight.cols(), to);
  }

  /**
   * Writes all of it whatever it is.
   *
   * @return whether all blocks have a finite scale; what has none, {@link #unroundable} names
   */
  public static boolean write(Weight weight, DType type, MemorySegment to) {
    long elements = (long) weight.rows() * weight.cols();
    if (type == DType.Q4 && elements >= MANY && Vectors.THERE) {
      return roundInLanes(weight, to);
    }
    long blocks = weight.cols() / type.blockElements();
    return 0
        == IntStream.range(0, weight.rows())
            .parallel()
            .map(
                row -> {
                  round(weight, type, row * blocks, (row + 1) * blocks, to);
                  return wrongScales(type, row * blocks, (row + 1) * blocks, to);
                })
            .sum();
  }

  /** Scales of blocks just written that are no finite numbers. */
  private static int wrongScales(DType type, long from, long end, MemorySegment blocks) {
    int wrong = 0;
    for (long block = from; block < end; block++) {
      wrong += (blocks.get(SHORT, block * type.blockBytes()) & 0x7C00) == 0x7C00 ? 1 : 0;
    }
    return wrong;
  }

  /** What is wrong with a weight of which not all could be rounded. */
  public static UnroundableException unroundable(Weight weight, DType type) {
    for (int row = 0; row < weight.rows(); row++) {
      for (int col = 0; col < weight.cols(); col++) {
        float number = weight.dtype().load(weight.data(), (long) row * weight.cols() + col);
        if (!(type == DType.Q8 ? Q8.holds(number) : Q4.holds(number))) {
          return new UnroundableException(weight, type, row, col, number);
        }
      }
    }
    throw new IllegalStateException(weight.dtype() + " can be rounded to " + type);
  }

  /** Writes blocks {@code from} to {@code end}. */
  private static void round(Weight weight, DType type, long from, long end, MemorySegment to) {
    int size = type.blockElements();
    float[] x = new float[size];
    for (long block = from; block < end; block++) {
      for (int i = 0; i < size; i++) {
        x[i] = weight.dtype().load(weight.data(), block * size + i);
      }
      write(type, x, to, block * type.blockBytes());
    }
  }

  private static boolean roundInLanes(Weight weight, MemorySegment to) {
    long blocks = (long) weight.rows() * weight.cols() / DType.Q4.blockElements();
    long some = (long) SOME * Q4Lanes.LANES;
    return 0
        == LongStream.range(0, Math.ceilDiv(blocks, some))
            .parallel()
            .map(
                part -> {
                  long end = Math.min(blocks, (part + 1) * some);
                  roundInLanes(weight, part * some, end, to);
                  return wrongScales(DType.Q4, part * some, end, to);
                })
            .sum();
  }

  /**
   * While vectors are not quicker, one step of a task finds out whether they are, if it is long
   * enough.
   */
  private static void roundInLanes(Weight weight, long from, long end, MemorySegment to) {
    Q4Lanes lanes = new Q4Lanes();
    long block = from;
    if (!Vectors.quick && end - from >= 2L * Q4Lanes.LANES) {
      long begin = System.nanoTime();
      lanes.write(weight, block, Q4Lanes.LANES, to);
      block += Q4Lanes.LANES;
      long between = System.nanoTime();
      round(weight, DType.Q4, block, block + Q4Lanes.LANES, to);
      block += Q4Lanes.LANES;
      Vectors.quick = between - begin < System.nanoTime() - between;
    }
    if (!Vectors.quick) {
      round(weight, DType.Q4, block, end, to);
      return;
    }
    for (; block < end; block += Q4Lanes.LANES) {
      lanes.write(weight, block, (int) Math.min(Q4Lanes.LANES, end - block), to);
    }
  }

  /**
   * Widens a row of a rounded weight to f32: whole numbers times their scales, which f32 holds
   * exactly.
   *
   * @param panels how it lies, see {@link Weight#panels}
   * @param at where to write it, in bytes
   */
  public static void read(
      DType type,
      int cols,
      boolean panels,
      MemorySegment weight,
      int row,
      MemorySegment to,
      long at) {
    int together = panels ? Weight.PANEL : 1; // rows that lie side by side
    int lane = row % together;
    int numbers = type.blockBytes() - Short.BYTES;
    long block = (row - lane) * type.bytes(cols);
    int flip = panels && type == DType.Q8 ? 0x80 : 0;
    for (int col = 0; col < cols; col += type.blockElements()) {
      long scaleAt = panels ? block + (long) together * numbers + lane * 2L : block;
      float scale = Float.float16ToFloat(weight.get(SHORT, scaleAt));
      for (int k = 0; k < numbers; k++) {
        long numberAt =
            panels ? block + ((long) (k / 4) * together + lane) * 4 + k % 4 : block + 2 + k;
        int number = weight.get(ValueLayout.JAVA_BYTE, numberAt) ^ flip;
        if (type == DType.Q8) {
          to.set(FLOAT, at + 4L * (col + k), scale * (byte) number);
        } else {
          to.set(FLOAT, at + 4L * (col + k), scale * ((number & 15) - 8));
          to.set(FLOAT, at + 4L * (col + k + numbers), scale * ((number >> 4 & 15) - 8));
        }
      }
      block += (long) together * type.blockBytes();
    }
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
