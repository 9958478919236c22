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
 * output, so that no sum runs across lanes. The sum of a block is a whole number below 2^24, which
 * f32 holds in any order of adding; the order of the blocks is {@link
 * io.lrt4j.compute.RoundedRow}'s. So a result has the same bits however many rows are computed with
 * it, at every width of vectors, and on {@code scalar}.
 *
 * <p>Weights are numbers without a sign inside a 32-bit lane. A mask leaves one of them there, 2^s
 * times too large if it lies s bits up, and the activation that it meets is as many times too
 * small. What makes up for the sign is what a block's sum begins with.
 */
abstract sealed class PanelKernel permits Q8Panel, Q4Panel {
  static final int BLOCK = DType.Q8.blockElements();

  /** Bytes of a group: four of every row of a panel. */
  static final int GROUP = 4 * Weight.PANEL;

  static final int LARGEST = 127;
  private static final float MAGIC = 12582912f; // 1.5 * 2^23: adding it rounds to an integer
  private static final int BYTE = 24; // bits of an int that are not its lowest byte's

  private final DType type;
  private final int tooMuch; // that weights are stored higher than they are
  private final float[] weightOf = new float[BLOCK]; // what an activation is multiplied by

  PanelKernel(DType type, int tooMuch) {
    this.type = type;
    this.tooMuch = tooMuch;
    for (int i = 0; i < BLOCK; i++) {
      weightOf[i] = (float) Math.scalb(1.0, -shift(i));
    }
  }

  static PanelKernel of(DType type) {
    return switch (type) {
      case Q8 -> Q8Panel.INSTANCE;
      case Q4 -> Q4Panel.INSTANCE;
      default -> throw new IllegalArgumentException(type + " does not lie in panels");
    };
  }

  /** How many bits up element {@code i} of a block lies in its lane once it is masked. */
  abstract int shift(int i);

  /** Groups of a block. */
  final int groups() {
    return (type.blockBytes() - 2) / 4;
  }

  /** Bytes of a panel. */
  final long panelBytes(int blocks) {
    return (long) Weight.PANEL * blocks * type.blockBytes();
  }

  /** Where a panel's scales begin. */
  final long scalesAt(int blocks) {
    return (long) blocks * groups() * GROUP;
  }

  /**
   * Rounds a row to bytes, by the formula of {@link io.lrt4j.compute.RoundedRow}.
   *
   * @param x the row, from element {@code from} on
   * @param values receives the bytes as this type's weights want them, from {@code to} on
   * @param scales receives the blocks' scales, from {@code at} on
   * @param begins receives what the sums of a block begin with
   */
  final void round(
      float[] x,
      int from,
      int blocks,
      float[] values,
      int to,
      float[] scales,
      float[] begins,
      int at) {
    for (int block = 0; block < blocks; block++) {
      int first = from + block * BLOCK;
      IntVector most =
          IntVector.zero(I); // as bits magnitudes have the order of numbers, NaN on top
      for (int i = 0; i < BLOCK; i += N) {
        most = most.max(FloatVector.fromArray(F, x, first + i).reinterpretAsInts().and(0x7FFFFFFF));
      }
      float largest = Float.intBitsToFloat(most.reduceLanes(VectorOperators.MAX));
      float inverse = largest > 0 ? LARGEST / largest : 0;
      FloatVector sum = FloatVector.zero(F);
      for (int i = 0; i < BLOCK; i += N) {
        FloatVector shifted = FloatVector.fromArray(F, x, first + i).mul(inverse).add(MAGIC);
        FloatVector rounded =
            shifted
                .reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, BYTE)
                .lanewise(VectorOperators.ASHR, BYTE)
                .convert(VectorOperators.I2F, 0)
                .reinterpretAsFloats();
        sum = sum.add(rounded);
        rounded
            .mul(FloatVector.fromArray(F, weightOf, i))
            .intoArray(values, to + block * BLOCK + i);
      }
      scales[at + block] = largest / LARGEST;
      begins[at + block] = -tooMuch * Lanes.sum(sum);
    }
  }

  /**
   * The products of one row with four vectors of outputs.
   *
   * @param at where the vectors' weights begin, in bytes
   * @param w1 how much further those of the second begin, and so on
   * @param scales of their blocks, f32, from byte {@code scalesAt} on: [block][vector]
   * @param sums receives them: [vector][lane]
   */
  abstract void stream(
      float[] x,
      int xAt,
      float[] xScales,
      float[] begins,
      int xBlock,
      int blocks,
      MemorySegment w,
      long at,
      long w1,
      long w2,
      long w3,
      MemorySegment scales,
      long scalesAt,
      float[] sums);

  /**
   * Writes weights of some blocks of a vector of outputs as f32, four vectors from one to the next.
   */
  abstract void widen(MemorySegment w, long at, int blocks, MemorySegment to, long toAt);

  /** Writes scales of a vector of outputs as f32, likewise. */
  static void widenScales(MemorySegment w, long at, int blocks, MemorySegment to, long toAt) {
    for (int block = 0; block < blocks; block++) {
      Lanes.halves(w, at + (long) block * Weight.PANEL * 2)
          .intoMemorySegment(to, toAt + (long) block * 16L * N, LE);
    }
  }

  /**
   * Adds to the products of four rows and four vectors of outputs what some blocks give.
   *
   * @param x of the first row, xStride from row to row; xScales and begins likewise, of one block
   *     from {@code xBlock} on, {@code blockStride} from row to row
   * @param w weights, f32, from byte {@code at} on: [element][vector]
   * @param sums from {@code sumAt} on: [row][vector][lane], {@code sumStride} from row to row
   */
  static void tile(
      float[] x,
      int xAt,
      int xStride,
      float[] xScales,
      float[] begins,
      int xBlock,
      int blockStride,
      int blocks,
      MemorySegment w,
      long at,
      MemorySegment scales,
      long scalesAt,
      float[] sums,
      int sumAt,
      int sumStride) {
    for (int block = 0; block < blocks; block++) {
      int b = xBlock + block;
      FloatVector s00 = FloatVector.broadcast(F, begins[b]);
      FloatVector s01 = s00;
      FloatVector s02 = s00;
      FloatVector s03 = s00;
      FloatVector s10 = FloatVector.broadcast(F, begins[b + blockStride]);
      FloatVector s11 = s10;
      FloatVector s12 = s10;
      FloatVector s13 = s10;
      FloatVector s20 = FloatVector.broadcast(F, begins[b + 2 * blockStride]);
      FloatVector s21 = s20;
      FloatVector s22 = s20;
      FloatVector s23 = s20;
      FloatVector s30 = FloatVector.broadcast(F, begins[b + 3 * blockStride]);
      FloatVector s31 = s30;
      FloatVector s32 = s30;
      FloatVector s33 = s30;
      int first = xAt + block * BLOCK;
      long from = at + (long) block * BLOCK * 16L * N;
      for (int k = 0; k < BLOCK; k++) {
        long weights = from + (long) k * 16L * N;
        FloatVector w0 = FloatVector.fromMemorySegment(F, w, weights, LE);
        FloatVector w1 = FloatVector.fromMemorySegment(F, w, weights + 4L * N, LE);
        FloatVector w2 = FloatVector.fromMemorySegment(F, w, weights + 8L * N, LE);
        FloatVector w3 = FloatVector.fromMemorySegment(F, w, weights + 12L * N, LE);
        FloatVector a = FloatVector.broadcast(F, x[first + k]);
        s00 = a.fma(w0, s00);
        s01 = a.fma(w1, s01);
        s02 = a.fma(w2, s02);
        s03 = a.fma(w3, s03);
        a = FloatVector.broadcast(F, x[first + k + xStride]);
        s10 = a.fma(w0, s10);
        s11 = a.fma(w1, s11);
        s12 = a.fma(w2, s12);
        s13 = a.fma(w3, s13);
        a = FloatVector.broadcast(F, x[first + k + 2 * xStride]);
        s20 = a.fma(w0, s20);
        s21 = a.fma(w1, s21);
        s22 = a.fma(w2, s22);
        s23 = a.fma(w3, s23);
        a = FloatVector.broadcast(F, x[first + k + 3 * xStride]);
        s30 = a.fma(w0, s30);
        s31 = a.fma(w1, s31);
        s32 = a.fma(w2, s32);
        s33 = a.fma(w3, s33);
      }
      long of = scalesAt + (long) block * 16L * N;
      FloatVector c0 = FloatVector.fromMemorySegment(F, scales, of, LE);
      FloatVector c1 = FloatVector.fromMemorySegment(F, scales, of + 4L * N, LE);
      FloatVector c2 = FloatVector.fromMemorySegment(F, scales, of + 8L * N, LE);
      FloatVector c3 = FloatVector.fromMemorySegment(F, scales, of + 12L * N, LE);
      int row = sumAt;
      float scale = xScales[b];
      s00.mul(scale).fma(c0, FloatVector.fromArray(F, sums, row)).intoArray(sums, row);
      s01.mul(scale).fma(c1, FloatVector.fromArray(F, sums, row + N)).intoArray(sums, row + N);
      s02.mul(scale)
          .fma(c2, FloatVector.fromArray(F, sums, row + 2 * N))
          .intoArray(sums, row + 2 * N);
      s03.mul(scale)
          .fma(c3, FloatVector.fromArray(F, sums, row + 3 * N))
          .intoArray(sums, row + 3 * N);
      row += sumStride;
      scale = xScales[b + blockStride];
      s10.mul(scale).fma(c0, FloatVector.fromArray(F, sums, row)).intoArray(sums, row);
      s11.mul(scale).fma(c1, FloatVector.fromArray(F, sums, row + N)).intoArray(sums, row + N);
      s12.mul(scale)
          .fma(c2, FloatVector.fromArray(F, sums, row + 2 * N))
          .intoArray(sums, row + 2 * N);
      s13.mul(scale)
          .fma(c3, FloatVector.fromArray(F, sums, row + 3 * N))
          .intoArray(sums, row + 3 * N);
      row += sumStride;
      scale = xScales[b + 2 * blockStride];
      s20.mul(scale).fma(c0, FloatVector.fromArray(F, sums, row)).intoArray(sums, row);
      s21.mul(scale).fma(c1, FloatVector.fromArray(F, sums, row + N)).intoArray(sums, row + N);
      s22.mul(scale)
          .fma(c2, FloatVector.fromArray(F, sums, row + 2 * N))
          .intoArray(sums, row + 2 * N);
      s23.mul(scale)
          .fma(c3, FloatVector.fromArray(F, sums, row + 3 * N))
          .intoArray(sums, row + 3 * N);
      row += sumStride;
      scale = xScales[b + 3 * blockStride];
      s30.mul(scale).fma(c0, FloatVector.fromArray(F, sums, row)).intoArray(sums, row);
      s31.mul(scale).fma(c1, FloatVector.fromArray(F, sums, row + N)).intoArray(sums, row + N);
      s32.mul(scale)
          .fma(c2, FloatVector.fromArray(F, sums, row + 2 * N))
          .intoArray(sums, row + 2 * N);
      s33.mul(scale)
          .fma(c3, FloatVector.fromArray(F, sums, row + 3 * N))
          .intoArray(sums, row + 3 * N);
    }
  }
}
