package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
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

  /** Bytes of a group: four of every row of a panel. */
  static final int GROUP = 4 * Weight.PANEL;

  private static final int LARGEST = 127;
  private static final float MAGIC = 12582912f; // 1.5 * 2^23: adding it rounds to an integer
  private static final int BYTE = 24; // bits of an int that are not its lowest byte's
  private static final int SCALE = 2; // bytes
  private static final int LINE = 64; // bytes that memory gives at once

  private final DType type;
  private final int tooMuch; // that weights are stored higher than they are
  private final float[] factors = new float[BLOCK];

  PanelKernel(DType type, int tooMuch) {
    this.type = type;
    this.tooMuch = tooMuch;
    for (int i = 0; i < BLOCK; i++) {
      factors[i] = 1f / (1 << shift(i));
    }
  }

  static PanelKernel of(DType type) {
    return switch (type) {
      case Q8 -> Q8Panel.INSTANCE;
      case Q4 -> Q4Panel.INSTANCE;
      default -> throw new IllegalArgumentException(type + " does not lie in panels");
    };
  }

  /** Bytes of a block of one row, without its scale. */
  private int numbers() {
    return type.blockBytes() - SCALE;
  }

  /** Bytes of a panel. */
  final long panelBytes(int blocks) {
    return (long) Weight.PANEL * blocks * type.blockBytes();
  }

  /** Bytes of a block of a panel, without scales. */
  final long blockBytes() {
    return (long) Weight.PANEL * numbers();
  }

  /** How many patterns a block of activations has for {@link #stream}; for tiles it is BLOCK. */
  abstract int patterns();

  /** Writes a block's patterns for {@link #stream}, and gives what its sums begin with. */
  abstract int arrange(int[] bytes, int[] values, int at);

  /** How many bits too high {@link #widen} leaves the weight of element {@code i} of a block. */
  abstract int shift(int i);

  /** The same for tiles: f32. */
  final int arrangeTile(int[] bytes, int[] values, int at) {
    int sum = 0;
    for (int i = 0; i < BLOCK; i++) {
      sum += bytes[i];
      values[at + i] = Float.floatToRawIntBits(bytes[i] * factors[i]);
    }
    return Float.floatToRawIntBits((float) (-tooMuch * sum));
  }

  /**
   * Rounds a row to bytes, by the formula of {@link io.lrt4j.compute.RoundedRow}.
   *
   * @param x the row, from element {@code from} on
   * @param values receives patterns, those of block {@code at} first
   * @param scales receives scales, likewise
   * @param begins receives what the sums begin with, likewise
   * @param bytes room for a block
   * @param one for {@link #stream} rather than for tiles
   */
  final void round(
      float[] x,
      int from,
      int blocks,
      int[] values,
      float[] scales,
      int[] begins,
      int at,
      int[] bytes,
      boolean one) {
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
      begins[at + block] =
          one
              ? arrange(bytes, values, (at + block) * patterns())
              : arrangeTile(bytes, values, (at + block) * BLOCK);
    }
  }

  /**
   * The products of one row with four vectors of outputs.
   *
   * @param x patterns of the row, which begin the array, as do xScales and begins
   * @param at where the first vector's weights begin, in bytes
   * @param w1 how much further those of the second begin, and so on
   * @param scales of their blocks, f32: [block][vector]
   * @param sums receives them: [vector][lane]
   */
  abstract void stream(
      int[] x,
      float[] xScales,
      int[] begins,
      int blocks,
      MemorySegment w,
      long at,
      long w1,
      long w2,
      long w3,
      MemorySegment scales,
      float[] sums);

  /**
   * Writes weights of some blocks of a vector of outputs as f32, four vectors from one to the next.
   * What lies some bits up in its lane is not moved down: the activation that it meets is as many
   * times too small.
   */
  abstract void widen(MemorySegment w, long at, int blocks, MemorySegment to, long toAt);

  static void store(IntVector v, MemorySegment to, long at) {
    v.convert(VectorOperators.I2F, 0).reinterpretAsFloats().intoMemorySegment(to, at, LE);
  }

  /** Writes scales of a vector of outputs as f32, likewise. */
  static void widenScales(MemorySegment w, long at, int blocks, MemorySegment to, long toAt) {
    for (int block = 0; block < blocks; block++) {
      Lanes.halves(w, at + (long) block * Weight.PANEL * SCALE)
          .intoMemorySegment(to, toAt + (long) block * 16L * N, LE);
    }
  }

  /** Reads memory and does nothing with it, so that the cache has it. */
  static int touch(MemorySegment w, long at, long bytes) {
    long quarter = bytes / 4 / LINE * LINE;
    IntVector seen = IntVector.zero(I);
    for (long i = 0; i < quarter; i += LINE) {
      IntVector a = IntVector.fromMemorySegment(I, w, at + i, LE);
      IntVector b = IntVector.fromMemorySegment(I, w, at + quarter + i, LE);
      IntVector c = IntVector.fromMemorySegment(I, w, at + 2 * quarter + i, LE);
      IntVector d = IntVector.fromMemorySegment(I, w, at + 3 * quarter + i, LE);
      seen = seen.lanewise(VectorOperators.XOR, a.or(b)).lanewise(VectorOperators.XOR, c.or(d));
    }
    return seen.lane(0);
  }

  /**
   * Adds to the products of four rows and four vectors of outputs what some blocks give.
   *
   * @param x patterns of all rows
   * @param block the first, of the first row; {@code stride} from row to row
   * @param w what {@link #widen} made of these blocks
   * @param scales from byte {@code scalesAt} on
   * @param sums from {@code sumAt} on: [row][vector][lane]
   */
  static void tile(
      int[] x,
      float[] xScales,
      int[] begins,
      int block,
      int stride,
      int blocks,
      MemorySegment w,
      MemorySegment scales,
      long scalesAt,
      float[] sums,
      int sumAt) {
    int xAt = block * BLOCK;
    int xStride = stride * BLOCK;
    FloatVector s00 = IntVector.broadcast(I, begins[block]).reinterpretAsFloats();
    FloatVector s01 = s00;
    FloatVector s02 = s00;
    FloatVector s03 = s00;
    FloatVector s10 = IntVector.broadcast(I, begins[block + stride]).reinterpretAsFloats();
    FloatVector s11 = s10;
    FloatVector s12 = s10;
    FloatVector s13 = s10;
    FloatVector s20 = IntVector.broadcast(I, begins[block + 2 * stride]).reinterpretAsFloats();
    FloatVector s21 = s20;
    FloatVector s22 = s20;
    FloatVector s23 = s20;
    FloatVector s30 = IntVector.broadcast(I, begins[block + 3 * stride]).reinterpretAsFloats();
    FloatVector s31 = s30;
    FloatVector s32 = s30;
    FloatVector s33 = s30;
    for (int k = 0; k < blocks * BLOCK; k++) {
      long weights = k * 16L * N;
      FloatVector w0 = FloatVector.fromMemorySegment(F, w, weights, LE);
      FloatVector w1 = FloatVector.fromMemorySegment(F, w, weights + 4L * N, LE);
      FloatVector w2 = FloatVector.fromMemorySegment(F, w, weights + 8L * N, LE);
      FloatVector w3 = FloatVector.fromMemorySegment(F, w, weights + 12L * N, LE);
      FloatVector a = IntVector.broadcast(I, x[xAt + k]).reinterpretAsFloats();
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = IntVector.broadcast(I, x[xAt + k + xStride]).reinterpretAsFloats();
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      a = IntVector.broadcast(I, x[xAt + k + 2 * xStride]).reinterpretAsFloats();
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      s23 = a.fma(w3, s23);
      a = IntVector.broadcast(I, x[xAt + k + 3 * xStride]).reinterpretAsFloats();
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      s33 = a.fma(w3, s33);
      if (k % BLOCK == BLOCK - 1) {
        int done = k / BLOCK;
        int b = block + done;
        long of = scalesAt + done * 16L * N;
        FloatVector c0 = FloatVector.fromMemorySegment(F, scales, of, LE);
        FloatVector c1 = FloatVector.fromMemorySegment(F, scales, of + 4L * N, LE);
        FloatVector c2 = FloatVector.fromMemorySegment(F, scales, of + 8L * N, LE);
        FloatVector c3 = FloatVector.fromMemorySegment(F, scales, of + 12L * N, LE);
        int to = sumAt;
        float scale = xScales[b];
        s00.mul(scale).fma(c0, FloatVector.fromArray(F, sums, to)).intoArray(sums, to);
        s01.mul(scale).fma(c1, FloatVector.fromArray(F, sums, to + N)).intoArray(sums, to + N);
        s02.mul(scale)
            .fma(c2, FloatVector.fromArray(F, sums, to + 2 * N))
            .intoArray(sums, to + 2 * N);
        s03.mul(scale)
            .fma(c3, FloatVector.fromArray(F, sums, to + 3 * N))
            .intoArray(sums, to + 3 * N);
        to += 4 * N;
        scale = xScales[b + stride];
        s10.mul(scale).fma(c0, FloatVector.fromArray(F, sums, to)).intoArray(sums, to);
        s11.mul(scale).fma(c1, FloatVector.fromArray(F, sums, to + N)).intoArray(sums, to + N);
        s12.mul(scale)
            .fma(c2, FloatVector.fromArray(F, sums, to + 2 * N))
            .intoArray(sums, to + 2 * N);
        s13.mul(scale)
            .fma(c3, FloatVector.fromArray(F, sums, to + 3 * N))
            .intoArray(sums, to + 3 * N);
        to += 4 * N;
        scale = xScales[b + 2 * stride];
        s20.mul(scale).fma(c0, FloatVector.fromArray(F, sums, to)).intoArray(sums, to);
        s21.mul(scale).fma(c1, FloatVector.fromArray(F, sums, to + N)).intoArray(sums, to + N);
        s22.mul(scale)
            .fma(c2, FloatVector.fromArray(F, sums, to + 2 * N))
            .intoArray(sums, to + 2 * N);
        s23.mul(scale)
            .fma(c3, FloatVector.fromArray(F, sums, to + 3 * N))
            .intoArray(sums, to + 3 * N);
        to += 4 * N;
        scale = xScales[b + 3 * stride];
        s30.mul(scale).fma(c0, FloatVector.fromArray(F, sums, to)).intoArray(sums, to);
        s31.mul(scale).fma(c1, FloatVector.fromArray(F, sums, to + N)).intoArray(sums, to + N);
        s32.mul(scale)
            .fma(c2, FloatVector.fromArray(F, sums, to + 2 * N))
            .intoArray(sums, to + 2 * N);
        s33.mul(scale)
            .fma(c3, FloatVector.fromArray(F, sums, to + 3 * N))
            .intoArray(sums, to + 3 * N);
        s00 = IntVector.broadcast(I, begins[b + 1]).reinterpretAsFloats();
        s01 = s00;
        s02 = s00;
        s03 = s00;
        s10 = IntVector.broadcast(I, begins[b + 1 + stride]).reinterpretAsFloats();
        s11 = s10;
        s12 = s10;
        s13 = s10;
        s20 = IntVector.broadcast(I, begins[b + 1 + 2 * stride]).reinterpretAsFloats();
        s21 = s20;
        s22 = s20;
        s23 = s20;
        s30 = IntVector.broadcast(I, begins[b + 1 + 3 * stride]).reinterpretAsFloats();
        s31 = s30;
        s32 = s30;
        s33 = s30;
      }
    }
  }
}
