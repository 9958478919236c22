package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Products with weights of 8 or 4 bits that lie in {@link io.lrt4j.compute.Panels}: a lane is an
 * output, so that no sum runs across outputs. The sum of a block is a whole number that its lane
 * holds, in any order of adding; the order of the blocks is {@link io.lrt4j.compute.RoundedRow}'s.
 * So a result has the same bits however many rows are computed with it, at every width of vectors,
 * and on {@code scalar}.
 *
 * <p>Weights are taken as they are stored, without a sign; what makes up for that is what a block's
 * sum begins with. Activations come as 32-bit patterns that fill a lane, some for each block.
 *
 * <p>Loops run over all blocks, and every so many steps one ends: as loops in loops they would be
 * entered too often, which costs the compiler's checks each time.
 */
abstract sealed class PanelKernel permits Q8Panel, Q4Panel {
  static final int BLOCK = DType.Q8.blockElements();

  /** Rows of a tile. */
  static final int TILE = 4;

  /** Vectors of outputs of a tile. */
  static final int PAIR = 2;

  /** Runs of memory that one row reads at once, where it does not read one. */
  static final int RUNS = 4;

  /** Bytes of a group: four of every row of a panel. */
  static final int GROUP = 4 * Weight.PANEL;

  /** Bytes of a vector of a group. */
  static final long LANES = 4L * N;

  /** Whether the four vectors of a step are two groups; otherwise they are one, or half of it. */
  static final boolean PAIRED = 2 * N == Weight.PANEL;

  /** How often a block is gone through: four vectors of 128 bits are half a group. */
  static final int HALVES = PAIRED ? 1 : Weight.PANEL / (4 * N);

  static final int HALF_GROUP = GROUP / 2;

  /** From step to step, in bytes. */
  static final int STEP = PAIRED ? 2 * GROUP : GROUP;

  /** How many patterns of activations a step meets. */
  static final int PATTERNS = PAIRED ? 8 : 4;

  /** Bytes of the scales of a block of a panel. */
  static final int SCALES = 2 * Weight.PANEL;

  private static final int LINE = 64; // bytes of a cache line

  private static final int LARGEST = 127;
  private static final float MAGIC = 12582912f; // 1.5 * 2^23: adding it rounds to an integer
  private static final int BYTE = 24; // bits of an int that are not its lowest byte's
  private static final int SCALE = 2; // bytes

  private final DType type;

  PanelKernel(DType type) {
    this.type = type;
  }

  static PanelKernel of(DType type) {
    return switch (type) {
      case Q8 -> Q8Panel.INSTANCE;
      case Q4 -> Q4Panel.INSTANCE;
      default -> throw new IllegalArgumentException(type + " does not lie in panels");
    };
  }

  /** Room for what blocks give, as a kernel sums it. */
  static final class Sums {
    final float[] floats = new float[TILE * PAIR * N]; // of a block
    short[] shorts = new short[TILE * PAIR * 2 * N];

    /** Makes room for so many blocks of a tile. */
    void ensure(int blocks) {
      int n = Math.multiplyExact(TILE * PAIR * 2 * N, blocks);
      if (shorts.length < n) {
        shorts = new short[n];
      }
    }
  }

  /** Bytes of a block of one row, without its scale. */
  private int numbers() {
    return type.blockBytes() - SCALE;
  }

  /** Bytes of a panel. */
  final long panelBytes(int blocks) {
    return blocks * blockBytes();
  }

  /** Bytes of a block of a panel: groups, then scales. */
  final long blockBytes() {
    return (long) Weight.PANEL * type.blockBytes();
  }

  /** Where in a block of a panel the scales lie, in bytes. */
  final long scalesAt() {
    return (long) Weight.PANEL * numbers();
  }

  /** How many patterns a block of activations has. */
  abstract int patterns();

  /** Writes a block's patterns, and gives what its sums begin with. */
  abstract int arrange(int[] bytes, int[] values, int at);

  /**
   * Rounds a row to bytes, by the formula of {@link io.lrt4j.compute.RoundedRow}.
   *
   * @param x the row, from element {@code from} on
   * @param values receives patterns, those of block {@code at} first
   * @param scales receives scales, likewise
   * @param begins receives what the sums begin with, likewise
   * @param bytes room for a block
   */
  final void round(
      float[] x,
      int from,
      int blocks,
      int[] values,
      float[] scales,
      int[] begins,
      int at,
      int[] bytes) {
    for (int block = 0; block < blocks; block++) {
      int first = from + block * BLOCK;
      IntVector most = IntVector.zero(I); // as bits, magnitudes have their order, NaN on top
      for (int i = 0; i < BLOCK; i += N) {
        most = most.max(FloatVector.fromArray(F, x, first + i).reinterpretAsInts().and(0x7FFFFFFF));
      }
      float largest = Float.intBitsToFloat(most.reduceLanes(VectorOperators.MAX));
      float inverse = largest > 0 ? LARGEST / largest : 0;
      for (int i = 0; i < BLOCK; i += N) {
        FloatVector shifted = FloatVector.fromArray(F, x, first + i).mul(inverse).add(MAGIC);
        IntVector low = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, BYTE);
        low.lanewise(VectorOperators.ASHR, BYTE).intoArray(bytes, i);
      }
      scales[at + block] = largest / LARGEST;
      begins[at + block] = arrange(bytes, values, (at + block) * patterns());
    }
  }

  /**
   * Adds the products of one row with a panel, which is read from its beginning to its end: so the
   * processor fetches it in time, and has nothing to wait for. Of two panels in turns, even of 1 KB
   * each, memory gives half as much.
   *
   * <p>In a method as large as this the compiler comes to a point (NodeCountInliningCutoff) from
   * which on it inlines the library's methods alone; a vector that goes into or out of one of ours
   * is an object then. So what a kernel calls in its loop is one method that takes no vectors.
   *
   * @param x patterns of the row, which begin the array, as do begins
   * @param at where in {@code w} the panel is, by {@link ByAddress#of}
   * @param sums to add to, from {@code sumAt} on
   */
  abstract void stream(
      int[] x,
      int[] begins,
      float[] xScales,
      int blocks,
      MemorySegment w,
      long at,
      Sums room,
      float[] sums,
      int sumAt);

  /** Whether {@link #streamRuns} is there, and faster. */
  boolean hasRuns() {
    return false;
  }

  /**
   * The same of {@link #RUNS} panels at once, a group of each in turn. From far apart, and going on
   * from task to task, so many runs of memory come faster than one.
   *
   * @param apart how far the panels are from each other, in bytes
   * @param sumApart how far their sums are from each other
   */
  void streamRuns(
      int[] x,
      int[] begins,
      float[] xScales,
      int blocks,
      MemorySegment w,
      long at,
      long apart,
      Sums room,
      float[] sums,
      int sumAt,
      int sumApart) {
    throw new UnsupportedOperationException();
  }

  /** The scales of a block of a vector of outputs. */
  final FloatVector scales(MemorySegment w, long at, int block) {
    return Lanes.halves(w, at + block * blockBytes());
  }

  /**
   * The products of four rows with two vectors of outputs.
   *
   * @param x patterns of all rows
   * @param first block of the first row; {@code blocks} from row to row
   * @param at where the first vector's weights begin, in bytes
   * @param w1 how much further those of the second begin
   * @param scales of their blocks, f32, from byte scalesAt on; 4 vectors from block to block
   * @param sums receives them: [row][vector][lane] from sumAt on, rows sumStride apart
   * @param room for all blocks, and one
   */
  abstract void tile(
      int[] x,
      float[] xScales,
      int[] begins,
      int first,
      int blocks,
      MemorySegment w,
      long at,
      long w1,
      MemorySegment scales,
      long scalesAt,
      float[] sums,
      int sumAt,
      int sumStride,
      Sums room);

  /**
   * Reads one number of every cache line: in one run, memory gives twice as much as to a tile that
   * takes what it needs, and tiles then find all in the cache.
   *
   * @param at where {@code bytes} begin, by {@link ByAddress#of}
   * @return something that depends on all of them
   */
  static long fetch(MemorySegment w, long at, long bytes) {
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    long all = 0;
    int lines = Math.toIntExact(bytes / LINE);
    for (int i = 0; i < lines; i++) {
      all ^= ws.get(ValueLayout.JAVA_LONG_UNALIGNED, at0 + (long) i * LINE);
    }
    return all;
  }

  /** Writes scales of a vector of outputs as f32, four vectors from one to the next. */
  final void widenScales(MemorySegment w, long at, int blocks, MemorySegment to, long toAt) {
    for (int block = 0; block < blocks; block++) {
      scales(w, at, block).intoMemorySegment(to, toAt + block * 4L * VectorPanels.OUTPUTS, LE);
    }
  }
}
