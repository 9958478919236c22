package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The inner loop of prefill: the inner products of 4 rows of activations and 4 of weights, 16 sums
 * in registers for 8 loads a step. A sum runs over its elements in the order of {@link
 * DotKernel#dot}, so that prefill and decoding agree to the bit.
 */
final class Tile {
  private Tile() {}

  /**
   * x_i · w_j in the N lanes from (4 i + j) N on; {@link Lanes#sum4} adds them up. (Here that would
   * be too much code for the compiler to see through.)
   *
   * @param x activations, from element xAt on, xStride from row to row
   * @param w weights, f32, from byte wAt on, wStride bytes from row to row
   */
  static void dot4x4(
      float[] x,
      int xAt,
      int xStride,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes) {
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = FloatVector.zero(F);
    FloatVector s02 = FloatVector.zero(F);
    FloatVector s03 = FloatVector.zero(F);
    FloatVector s10 = FloatVector.zero(F);
    FloatVector s11 = FloatVector.zero(F);
    FloatVector s12 = FloatVector.zero(F);
    FloatVector s13 = FloatVector.zero(F);
    FloatVector s20 = FloatVector.zero(F);
    FloatVector s21 = FloatVector.zero(F);
    FloatVector s22 = FloatVector.zero(F);
    FloatVector s23 = FloatVector.zero(F);
    FloatVector s30 = FloatVector.zero(F);
    FloatVector s31 = FloatVector.zero(F);
    FloatVector s32 = FloatVector.zero(F);
    FloatVector s33 = FloatVector.zero(F);
    for (int k = 0; k < body; k += N) {
      FloatVector w0 = load(w, wAt + k * 4L);
      FloatVector w1 = load(w, wAt + wStride + k * 4L);
      FloatVector w2 = load(w, wAt + 2 * wStride + k * 4L);
      FloatVector w3 = load(w, wAt + 3 * wStride + k * 4L);
      FloatVector a = load(x, xAt + k);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = load(x, xAt + xStride + k);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      a = load(x, xAt + 2 * xStride + k);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      s23 = a.fma(w3, s23);
      a = load(x, xAt + 3 * xStride + k);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      s33 = a.fma(w3, s33);
    }
    s00.intoArray(lanes, 0 * N);
    s01.intoArray(lanes, 1 * N);
    s02.intoArray(lanes, 2 * N);
    s03.intoArray(lanes, 3 * N);
    s10.intoArray(lanes, 4 * N);
    s11.intoArray(lanes, 5 * N);
    s12.intoArray(lanes, 6 * N);
    s13.intoArray(lanes, 7 * N);
    s20.intoArray(lanes, 8 * N);
    s21.intoArray(lanes, 9 * N);
    s22.intoArray(lanes, 10 * N);
    s23.intoArray(lanes, 11 * N);
    s30.intoArray(lanes, 12 * N);
    s31.intoArray(lanes, 13 * N);
    s32.intoArray(lanes, 14 * N);
    s33.intoArray(lanes, 15 * N);
  }

  /**
   * The same with bf16 weights, two to a lane, and split activations (see {@link HalfDot}). They
   * are widened on their way from where they lie to the registers, which the multiplications hide.
   * (Written out: the compiler, which has much to see through here, looks into no methods but the
   * library's.)
   */
  static void dot4x4Bf16(
      float[] x,
      int xAt,
      int xStride,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes) {
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = FloatVector.zero(F);
    FloatVector s02 = FloatVector.zero(F);
    FloatVector s03 = FloatVector.zero(F);
    FloatVector s10 = FloatVector.zero(F);
    FloatVector s11 = FloatVector.zero(F);
    FloatVector s12 = FloatVector.zero(F);
    FloatVector s13 = FloatVector.zero(F);
    FloatVector s20 = FloatVector.zero(F);
    FloatVector s21 = FloatVector.zero(F);
    FloatVector s22 = FloatVector.zero(F);
    FloatVector s23 = FloatVector.zero(F);
    FloatVector s30 = FloatVector.zero(F);
    FloatVector s31 = FloatVector.zero(F);
    FloatVector s32 = FloatVector.zero(F);
    FloatVector s33 = FloatVector.zero(F);
    for (int k = 0; k < body; k += 2 * N) {
      long at = wAt + k * 2L;
      IntVector p0 = IntVector.fromMemorySegment(I, w, at, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, w, at + wStride, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, w, at + 2 * wStride, LE);
      IntVector p3 = IntVector.fromMemorySegment(I, w, at + 3 * wStride, LE);
      FloatVector w0 = p0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w1 = p1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w2 = p2.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w3 = p3.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector a = FloatVector.fromArray(F, x, xAt + k);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = FloatVector.fromArray(F, x, xAt + xStride + k);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      a = FloatVector.fromArray(F, x, xAt + 2 * xStride + k);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      s23 = a.fma(w3, s23);
      a = FloatVector.fromArray(F, x, xAt + 3 * xStride + k);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      s33 = a.fma(w3, s33);
      w0 = p0.and(0xFFFF0000).reinterpretAsFloats();
      w1 = p1.and(0xFFFF0000).reinterpretAsFloats();
      w2 = p2.and(0xFFFF0000).reinterpretAsFloats();
      w3 = p3.and(0xFFFF0000).reinterpretAsFloats();
      a = FloatVector.fromArray(F, x, xAt + k + N);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = FloatVector.fromArray(F, x, xAt + xStride + k + N);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      a = FloatVector.fromArray(F, x, xAt + 2 * xStride + k + N);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      s23 = a.fma(w3, s23);
      a = FloatVector.fromArray(F, x, xAt + 3 * xStride + k + N);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      s33 = a.fma(w3, s33);
    }
    s00.intoArray(lanes, 0 * N);
    s01.intoArray(lanes, 1 * N);
    s02.intoArray(lanes, 2 * N);
    s03.intoArray(lanes, 3 * N);
    s10.intoArray(lanes, 4 * N);
    s11.intoArray(lanes, 5 * N);
    s12.intoArray(lanes, 6 * N);
    s13.intoArray(lanes, 7 * N);
    s20.intoArray(lanes, 8 * N);
    s21.intoArray(lanes, 9 * N);
    s22.intoArray(lanes, 10 * N);
    s23.intoArray(lanes, 11 * N);
    s30.intoArray(lanes, 12 * N);
    s31.intoArray(lanes, 13 * N);
    s32.intoArray(lanes, 14 * N);
    s33.intoArray(lanes, 15 * N);
  }

  /** The same of 2 rows of activations. */
  static void dot2x4Bf16(
      float[] x,
      int xAt,
      int xStride,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes) {
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = FloatVector.zero(F);
    FloatVector s02 = FloatVector.zero(F);
    FloatVector s03 = FloatVector.zero(F);
    FloatVector s10 = FloatVector.zero(F);
    FloatVector s11 = FloatVector.zero(F);
    FloatVector s12 = FloatVector.zero(F);
    FloatVector s13 = FloatVector.zero(F);
    for (int k = 0; k < body; k += 2 * N) {
      long at = wAt + k * 2L;
      IntVector p0 = IntVector.fromMemorySegment(I, w, at, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, w, at + wStride, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, w, at + 2 * wStride, LE);
      IntVector p3 = IntVector.fromMemorySegment(I, w, at + 3 * wStride, LE);
      FloatVector w0 = p0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w1 = p1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w2 = p2.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector w3 = p3.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector a = FloatVector.fromArray(F, x, xAt + k);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = FloatVector.fromArray(F, x, xAt + xStride + k);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      w0 = p0.and(0xFFFF0000).reinterpretAsFloats();
      w1 = p1.and(0xFFFF0000).reinterpretAsFloats();
      w2 = p2.and(0xFFFF0000).reinterpretAsFloats();
      w3 = p3.and(0xFFFF0000).reinterpretAsFloats();
      a = FloatVector.fromArray(F, x, xAt + k + N);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = FloatVector.fromArray(F, x, xAt + xStride + k + N);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
    }
    s00.intoArray(lanes, 0 * N);
    s01.intoArray(lanes, 1 * N);
    s02.intoArray(lanes, 2 * N);
    s03.intoArray(lanes, 3 * N);
    s10.intoArray(lanes, 4 * N);
    s11.intoArray(lanes, 5 * N);
    s12.intoArray(lanes, 6 * N);
    s13.intoArray(lanes, 7 * N);
  }

  private static FloatVector load(MemorySegment w, long at) {
    return FloatVector.fromMemorySegment(F, w, at, LE);
  }

  private static FloatVector load(float[] x, int at) {
    return FloatVector.fromArray(F, x, at);
  }
}
