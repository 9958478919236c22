package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
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
  private static final long MANY = 1 << 13; // blocks
  private static final int SOME = 4096; // that make a task
  private static final int FEW = 16; // by which it finds out how fast they are

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
   * Writes a weight of a plain type as a rounded one; parts of it in parallel.
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
    long blocks = (long) weight.rows() * weight.cols() / type.blockElements();
    boolean vectors = blocks >= MANY && Vectors.THERE;
    return 0
        == LongStream.range(0, Math.ceilDiv(blocks, SOME))
            .parallel()
            .map(
                part -> {
                  long from = part * SOME;
                  long end = Math.min(blocks, from + SOME);
                  if (vectors) {
                    roundInVectors(weight, type, from, end, to);
                  } else {
                    round(weight, type, from, end, to);
                  }
                  return wrongScales(type, from, end, to);
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
    float[] x = new float[type.blockElements()];
    for (long block = from; block < end; block++) {
      load(weight, block, x);
      write(type, x, to, block * type.blockBytes());
    }
  }

  /** Likewise. While vectors are not quicker, a few blocks find out whether they are. */
  private static void roundInVectors(
      Weight weight, DType type, long from, long end, MemorySegment to) {
    long block = from;
    if (!Vectors.quick) {
      long few = Math.min(FEW, (end - from) / 2);
      long begin = System.nanoTime();
      vectors(weight, type, block, block + few, to);
      long between = System.nanoTime();
      round(weight, type, block + few, block + 2 * few, to);
      Vectors.quick = between - begin < System.nanoTime() - between;
      block += 2 * few;
    }
    if (Vectors.quick) {
      vectors(weight, type, block, end, to);
    } else {
      round(weight, type, block, end, to);
    }
  }

  private static void vectors(Weight weight, DType type, long from, long end, MemorySegment to) {
    var vectors = new VectorRounding();
    float[] x = new float[type.blockElements()];
    for (long block = from; block < end; block++) {
      load(weight, block, x);
      vectors.write(type, x, to, block * type.blockBytes());
    }
  }

  private static void load(Weight weight, long block, float[] x) {
    MemorySegment data = weight.data();
    long first = block * x.length;
    switch (weight.dtype()) {
      case BF16 -> {
        for (int i = 0; i < x.length; i++) {
          x[i] = DType.BF16.load(data, first + i);
        }
      }
      case F16 -> {
        for (int i = 0; i < x.length; i++) {
          x[i] = DType.F16.load(data, first + i);
        }
      }
      default -> {
        for (int i = 0; i < x.length; i++) {
          x[i] = weight.dtype().load(data, first + i);
        }
      }
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

  /** Writes a block. */
  static void write(DType type, float[] x, MemorySegment to, long at) {
    switch (type) {
      case Q8 -> Q8.write(x, 0, to, at);
      case Q4 -> Q4.write(x, to, at);
      default -> throw new IllegalArgumentException(type + " is not rounded to");
    }
  }
}
