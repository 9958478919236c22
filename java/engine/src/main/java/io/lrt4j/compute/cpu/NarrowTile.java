package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * What {@link Tile} is, for processors with 16 vector registers (AVX2): 4 rows of activations and 3
 * of weights, 12 sums, 3 weights and one activation in registers. A sum runs over its elements in
 * the order of {@link DotKernel#dot}.
 *
 * <p>Activations are packed: a vector of each of the four rows, then the next of each. They are
 * aligned, as half of the loads that are not lie in two cache lines, for which this loop has no
 * time.
 *
 * <p>Neighbours on the same core leave a thread half of the instructions that a core can begin, so
 * that a loop is as fast as it has few of them. The compiler moves loads of one basic block
 * together, to its start; then the registers are too few, and sums go through memory from step to
 * step. Ways out of the loop that are never taken end the block behind each row: each has its own
 * number that a step's is not, as equal ones were one. For the same reason weights are read twice,
 * at addresses of which the compiler does not know that they are the same.
 */
final class NarrowTile {
  static final int ROWS = 4;
  static final int OUTPUTS = 3;

  /** Whether these are the vectors of such a processor. */
  static final boolean WANTED = N == 8;

  private static final long ROW = 4L * N; // bytes of a vector

  private static final VectorShuffle<Float> HALF = VectorShuffle.fromOp(F, i -> i ^ (N / 2));
  private static final VectorShuffle<Float> SECOND = VectorShuffle.fromOp(F, i -> i ^ 2);
  private static final VectorShuffle<Float> NEXT = VectorShuffle.fromOp(F, i -> i ^ 1);
  private static final VectorMask<Float> UPPER = VectorMask.fromLong(F, -1L << (N / 2));
  private static final VectorMask<Float> HIGH_PAIRS = VectorMask.fromLong(F, 0xCCCCCCCCL);
  private static final VectorMask<Float> ODD = VectorMask.fromLong(F, 0xAAAAAAAAL);

  private NarrowTile() {}

  /** Bytes that {@code rows} packed rows of {@code in} elements take. */
  static long bytes(int rows, int in) {
    return (rows + ROWS - 1L) / ROWS * ROWS * in * Float.BYTES;
  }

  /** Byte at which the vector of the elements from {@code k} on of a packed row lies. */
  static long at(int row, int k, int in) {
    return row / ROWS * (ROW / N * ROWS * in) + k * (ROW / N * ROWS) + row % ROWS * ROW;
  }

  /**
   * x_i · w_j in the N lanes from (3 i + j) N on; {@link #sums} adds them up.
   *
   * @param x packed activations, the tile from byte xAt on
   * @param w weights, f32, from byte wAt on, wStride bytes from row to row
   */
  static void dot4x3(
      MemorySegment x, long xAt, MemorySegment w, long wAt, long wStride, int body, float[] lanes) {
    MemorySegment xs = ByAddress.memory(x);
    MemorySegment ws = ByAddress.memory(w);
    int bytes = Float.BYTES * body;
    long x0 = ByAddress.of(x, xAt, (long) ROWS * bytes);
    long at0 = ByAddress.of(w, wAt, 2 * wStride + bytes);
    long at1 = ByAddress.plus(at0, wStride);
    long at2 = ByAddress.plus(at1, wStride);
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = FloatVector.zero(F);
    FloatVector s02 = FloatVector.zero(F);
    FloatVector s10 = FloatVector.zero(F);
    FloatVector s11 = FloatVector.zero(F);
    FloatVector s12 = FloatVector.zero(F);
    FloatVector s20 = FloatVector.zero(F);
    FloatVector s21 = FloatVector.zero(F);
    FloatVector s22 = FloatVector.zero(F);
    FloatVector s30 = FloatVector.zero(F);
    FloatVector s31 = FloatVector.zero(F);
    FloatVector s32 = FloatVector.zero(F);
    for (int i = 0; i < bytes; i += 4 * N) {
      FloatVector w0 = FloatVector.fromMemorySegment(F, ws, at0 + i, LE);
      FloatVector w1 = FloatVector.fromMemorySegment(F, ws, at1 + i, LE);
      FloatVector w2 = FloatVector.fromMemorySegment(F, ws, at2 + i, LE);
      long tile = x0 + (long) ROWS * i;
      FloatVector a = FloatVector.fromMemorySegment(F, xs, tile, LE);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      if (i == 1) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 1 * ROW, LE);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      if (i == 2) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 2 * ROW, LE);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      if (i == 3) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 3 * ROW, LE);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      if (i == 4) {
        break;
      }
    }
    s00.intoArray(lanes, 0 * N);
    s01.intoArray(lanes, 1 * N);
    s02.intoArray(lanes, 2 * N);
    s10.intoArray(lanes, 3 * N);
    s11.intoArray(lanes, 4 * N);
    s12.intoArray(lanes, 5 * N);
    s20.intoArray(lanes, 6 * N);
    s21.intoArray(lanes, 7 * N);
    s22.intoArray(lanes, 8 * N);
    s30.intoArray(lanes, 9 * N);
    s31.intoArray(lanes, 10 * N);
    s32.intoArray(lanes, 11 * N);
  }

  /**
   * The same with bf16 weights, two to a lane, and split activations (see {@link HalfDot}).
   *
   * @param upper 0xFFFF0000, but unknown to the compiler
   */
  static void dot4x3Bf16(
      MemorySegment x,
      long xAt,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes,
      int upper) {
    MemorySegment xs = ByAddress.memory(x);
    MemorySegment ws = ByAddress.memory(w);
    int bytes = Short.BYTES * body;
    long x0 = ByAddress.of(x, xAt, 2L * ROWS * bytes);
    long at0 = ByAddress.of(w, wAt, 2 * wStride + bytes);
    long at1 = ByAddress.plus(at0, wStride);
    long at2 = ByAddress.plus(at1, wStride);
    int nothing = upper & 0xFFFF;
    long again0 = ByAddress.plus(at0, nothing);
    long again1 = ByAddress.plus(at1, nothing);
    long again2 = ByAddress.plus(at2, nothing);
    IntVector mask = IntVector.broadcast(I, upper);
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = FloatVector.zero(F);
    FloatVector s02 = FloatVector.zero(F);
    FloatVector s10 = FloatVector.zero(F);
    FloatVector s11 = FloatVector.zero(F);
    FloatVector s12 = FloatVector.zero(F);
    FloatVector s20 = FloatVector.zero(F);
    FloatVector s21 = FloatVector.zero(F);
    FloatVector s22 = FloatVector.zero(F);
    FloatVector s30 = FloatVector.zero(F);
    FloatVector s31 = FloatVector.zero(F);
    FloatVector s32 = FloatVector.zero(F);
    for (int i = 0; i < bytes; i += 4 * N) {
      IntVector p0 = IntVector.fromMemorySegment(I, ws, at0 + i, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, ws, at1 + i, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, ws, at2 + i, LE);
      FloatVector w0 = p0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w1 = p1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w2 = p2.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      long tile = x0 + 2L * ROWS * i;
      FloatVector a = FloatVector.fromMemorySegment(F, xs, tile, LE);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      if (i == 1) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 1 * ROW, LE);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      if (i == 2) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 2 * ROW, LE);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      if (i == 3) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 3 * ROW, LE);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      if (i == 4) {
        break;
      }
      w0 = mask.and(IntVector.fromMemorySegment(I, ws, again0 + i, LE)).reinterpretAsFloats();
      w1 = mask.and(IntVector.fromMemorySegment(I, ws, again1 + i, LE)).reinterpretAsFloats();
      w2 = mask.and(IntVector.fromMemorySegment(I, ws, again2 + i, LE)).reinterpretAsFloats();
      a = FloatVector.fromMemorySegment(F, xs, tile + 4 * ROW, LE);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      if (i == 5) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 5 * ROW, LE);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      if (i == 6) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 6 * ROW, LE);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      if (i == 7) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, xs, tile + 7 * ROW, LE);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
    }
    s00.intoArray(lanes, 0 * N);
    s01.intoArray(lanes, 1 * N);
    s02.intoArray(lanes, 2 * N);
    s10.intoArray(lanes, 3 * N);
    s11.intoArray(lanes, 4 * N);
    s12.intoArray(lanes, 5 * N);
    s20.intoArray(lanes, 6 * N);
    s21.intoArray(lanes, 7 * N);
    s22.intoArray(lanes, 8 * N);
    s30.intoArray(lanes, 9 * N);
    s31.intoArray(lanes, 10 * N);
    s32.intoArray(lanes, 11 * N);
  }

  /**
   * Adds up the lanes of a tile, with the additions of {@link Lanes#sum(FloatVector)} in its order.
   * Two vectors become one three times: half of the additions, and of the moves.
   *
   * @param sums receives output j of row i at to + i * row + j * step
   */
  static void sums(float[] lanes, float[] sums, int to, int row, int step) {
    FloatVector first = pairs(lanes, 0);
    FloatVector second = pairs(lanes, N);
    FloatVector third = pairs(lanes, 2 * N);
    FloatVector moved = second.rearrange(NEXT);
    FloatVector even = first.blend(moved, ODD);
    FloatVector odd = first.rearrange(NEXT).blend(second, ODD);
    even.add(odd).intoArray(lanes, 0);
    third.add(third.rearrange(NEXT)).intoArray(lanes, N);
    for (int i = 0; i < ROWS; i++) {
      int lane = i % 2 * 4 + i / 2 * 2;
      int at = to + i * row;
      sums[at] = lanes[lane];
      sums[at + step] = lanes[lane + 1];
      sums[at + 2 * step] = lanes[lane + N];
    }
  }

  /** Of four rows with one output: [0 even, 0 odd, 2 even, 2 odd, 1 even, 1 odd, 3 even, 3 odd]. */
  private static FloatVector pairs(float[] lanes, int at) {
    FloatVector a = quarters(lanes, at);
    FloatVector b = quarters(lanes, at + 2 * OUTPUTS * N);
    FloatVector low = a.blend(b.rearrange(SECOND), HIGH_PAIRS);
    FloatVector high = a.rearrange(SECOND).blend(b, HIGH_PAIRS);
    return low.add(high);
  }

  /** Of two rows: halves added to each other, side by side. */
  private static FloatVector quarters(float[] lanes, int at) {
    FloatVector a = FloatVector.fromArray(F, lanes, at);
    FloatVector b = FloatVector.fromArray(F, lanes, at + OUTPUTS * N);
    FloatVector low = a.blend(b.rearrange(HALF), UPPER);
    FloatVector high = a.rearrange(HALF).blend(b, UPPER);
    return low.add(high);
  }

  /** One of those sums. */
  static float sum(float[] lanes, int at) {
    float even = (lanes[at] + lanes[at + 4]) + (lanes[at + 2] + lanes[at + 6]);
    float odd = (lanes[at + 1] + lanes[at + 5]) + (lanes[at + 3] + lanes[at + 7]);
    return even + odd;
  }
}
