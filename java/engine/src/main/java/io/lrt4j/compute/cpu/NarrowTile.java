package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What {@link Tile} is, for processors with 16 vector registers (AVX2): 4 rows of activations and 3
 * of weights, 12 sums, 3 weights and one activation in registers. A sum runs over its elements in
 * the order of {@link DotKernel#dot}.
 *
 * <p>Activations are packed: a vector of each of the four rows, then the next of each. They are
 * aligned, as half of the loads that are not lie in two cache lines, for which this loop has no
 * time.
 *
 * <p>The compiler moves loads of one basic block together, to its start; then the registers are too
 * few, and sums go through memory from step to step, at half the speed. Ways out of the loop that
 * are never taken end the block behind each row. For the same reason weights are read twice, under
 * two types, instead of being kept.
 */
final class NarrowTile {
  static final int ROWS = 4;
  static final int OUTPUTS = 3;

  /** Whether these are the vectors of such a processor. */
  static final boolean WANTED = N == 8;

  private static final VectorSpecies<Byte> B = ByteVector.SPECIES_PREFERRED;
  private static final long ROW = 4L * N; // bytes of a vector

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
   * @param never a negative number that the compiler does not know
   */
  static void dot4x3(
      MemorySegment x,
      long xAt,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes,
      int never) {
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
    for (int k = 0; k < body; k += N) {
      long at = wAt + k * 4L;
      long tile = xAt + k * 16L;
      FloatVector w0 = FloatVector.fromMemorySegment(F, w, at, LE);
      FloatVector w1 = FloatVector.fromMemorySegment(F, w, at + wStride, LE);
      FloatVector w2 = FloatVector.fromMemorySegment(F, w, at + 2 * wStride, LE);
      FloatVector a = FloatVector.fromMemorySegment(F, x, tile, LE);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      if (k == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 1 * ROW, LE);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      if (k + 1 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 2 * ROW, LE);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      if (k + 2 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 3 * ROW, LE);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      if (k + 3 == never) {
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

  /** The same with bf16 weights, two to a lane, and split activations (see {@link HalfDot}). */
  static void dot4x3Bf16(
      MemorySegment x,
      long xAt,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes,
      int never) {
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
    for (int k = 0; k < body; k += 2 * N) {
      long at = wAt + k * 2L;
      long tile = xAt + k * 16L;
      IntVector p0 = IntVector.fromMemorySegment(I, w, at, LE);
      FloatVector w0 = p0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      IntVector p1 = IntVector.fromMemorySegment(I, w, at + wStride, LE);
      FloatVector w1 = p1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      IntVector p2 = IntVector.fromMemorySegment(I, w, at + 2 * wStride, LE);
      FloatVector w2 = p2.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector a = FloatVector.fromMemorySegment(F, x, tile, LE);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      if (k == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 1 * ROW, LE);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      if (k + 1 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 2 * ROW, LE);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      if (k + 2 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 3 * ROW, LE);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      if (k + 3 == never) {
        break;
      }
      p0 = ByteVector.fromMemorySegment(B, w, at, LE).reinterpretAsInts();
      w0 = p0.and(0xFFFF0000).reinterpretAsFloats();
      p1 = ByteVector.fromMemorySegment(B, w, at + wStride, LE).reinterpretAsInts();
      w1 = p1.and(0xFFFF0000).reinterpretAsFloats();
      p2 = ByteVector.fromMemorySegment(B, w, at + 2 * wStride, LE).reinterpretAsInts();
      w2 = p2.and(0xFFFF0000).reinterpretAsFloats();
      a = FloatVector.fromMemorySegment(F, x, tile + 4 * ROW, LE);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      if (k + 4 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 5 * ROW, LE);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      if (k + 5 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 6 * ROW, LE);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      if (k + 6 == never) {
        break;
      }
      a = FloatVector.fromMemorySegment(F, x, tile + 7 * ROW, LE);
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
   * Sums of {@link #OUTPUTS} times N lanes from {@code at} on, with the additions of {@link
   * Lanes#sum(float[], int)} in its order, into {@code sums} from {@code to} on, {@code step}
   * apart. One after the other they are done sooner than by moving lanes about.
   */
  static void sums(float[] lanes, int at, float[] sums, int to, int step) {
    for (int j = 0; j < OUTPUTS; j++) {
      sums[to + j * step] = sum(lanes, at + j * N);
    }
  }

  /** One of those sums. */
  static float sum(float[] lanes, int at) {
    float even = (lanes[at] + lanes[at + 4]) + (lanes[at + 2] + lanes[at + 6]);
    float odd = (lanes[at + 1] + lanes[at + 5]) + (lanes[at + 3] + lanes[at + 7]);
    return even + odd;
  }
}
