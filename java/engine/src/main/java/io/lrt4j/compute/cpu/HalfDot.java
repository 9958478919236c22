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
 * 16-bit weights, read two to a 32-bit lane: a shift brings the even one to the top of its lane, a
 * mask leaves the odd one there, and neither costs a widening shuffle. The activations come split
 * to match: of every 2 N elements, first the N even ones, then the N odd.
 */
abstract sealed class HalfDot extends DotKernel permits F16Dot, Bf16Dot {
  @Override
  int body(int n) {
    return n / (2 * N) * (2 * N);
  }

  @Override
  boolean splitInput() {
    return true;
  }

  /**
   * The f32 value of the 16 bits at the top of each lane; what is below them is ignored or already
   * zero.
   */
  abstract FloatVector widen(IntVector top);

  private FloatVector even(IntVector pairs) {
    return widen(pairs.lanewise(VectorOperators.LSHL, 16));
  }

  private FloatVector odd(IntVector pairs) {
    return widen(pairs.and(0xFFFF0000));
  }

  private static FloatVector load(MemorySegment s, long at) {
    return FloatVector.fromMemorySegment(F, s, at, LE);
  }

  private static IntVector pairs(MemorySegment s, long at) {
    return IntVector.fromMemorySegment(I, s, at, LE);
  }

  @Override
  final void dot4x4(
      MemorySegment x,
      long xAt,
      long xStride,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] sums) {
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
    for (long k = 0; k < body * 2L; k += N * 4L) {
      IntVector p0 = pairs(w, wAt + k);
      IntVector p1 = pairs(w, wAt + wStride + k);
      IntVector p2 = pairs(w, wAt + 2 * wStride + k);
      IntVector p3 = pairs(w, wAt + 3 * wStride + k);
      long at = xAt + 2 * k;
      FloatVector w0 = even(p0);
      FloatVector w1 = even(p1);
      FloatVector w2 = even(p2);
      FloatVector w3 = even(p3);
      FloatVector a = load(x, at);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = load(x, at + xStride);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      a = load(x, at + 2 * xStride);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      s23 = a.fma(w3, s23);
      a = load(x, at + 3 * xStride);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      s33 = a.fma(w3, s33);
      at += N * 4L;
      w0 = odd(p0);
      w1 = odd(p1);
      w2 = odd(p2);
      w3 = odd(p3);
      a = load(x, at);
      s00 = a.fma(w0, s00);
      s01 = a.fma(w1, s01);
      s02 = a.fma(w2, s02);
      s03 = a.fma(w3, s03);
      a = load(x, at + xStride);
      s10 = a.fma(w0, s10);
      s11 = a.fma(w1, s11);
      s12 = a.fma(w2, s12);
      s13 = a.fma(w3, s13);
      a = load(x, at + 2 * xStride);
      s20 = a.fma(w0, s20);
      s21 = a.fma(w1, s21);
      s22 = a.fma(w2, s22);
      s23 = a.fma(w3, s23);
      a = load(x, at + 3 * xStride);
      s30 = a.fma(w0, s30);
      s31 = a.fma(w1, s31);
      s32 = a.fma(w2, s32);
      s33 = a.fma(w3, s33);
    }
    sums[0] = Lanes.sum(s00);
    sums[1] = Lanes.sum(s01);
    sums[2] = Lanes.sum(s02);
    sums[3] = Lanes.sum(s03);
    sums[4] = Lanes.sum(s10);
    sums[5] = Lanes.sum(s11);
    sums[6] = Lanes.sum(s12);
    sums[7] = Lanes.sum(s13);
    sums[8] = Lanes.sum(s20);
    sums[9] = Lanes.sum(s21);
    sums[10] = Lanes.sum(s22);
    sums[11] = Lanes.sum(s23);
    sums[12] = Lanes.sum(s30);
    sums[13] = Lanes.sum(s31);
    sums[14] = Lanes.sum(s32);
    sums[15] = Lanes.sum(s33);
  }

  @Override
  final void dot1x4(
      MemorySegment x, long xAt, MemorySegment w, long wAt, long wStride, int body, float[] sums) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (long k = 0; k < body * 2L; k += N * 4L) {
      FloatVector a = load(x, xAt + 2 * k);
      FloatVector b = load(x, xAt + 2 * k + N * 4L);
      IntVector p0 = pairs(w, wAt + k);
      IntVector p1 = pairs(w, wAt + wStride + k);
      IntVector p2 = pairs(w, wAt + 2 * wStride + k);
      IntVector p3 = pairs(w, wAt + 3 * wStride + k);
      s0 = b.fma(odd(p0), a.fma(even(p0), s0));
      s1 = b.fma(odd(p1), a.fma(even(p1), s1));
      s2 = b.fma(odd(p2), a.fma(even(p2), s2));
      s3 = b.fma(odd(p3), a.fma(even(p3), s3));
    }
    sums[0] = Lanes.sum(s0);
    sums[1] = Lanes.sum(s1);
    sums[2] = Lanes.sum(s2);
    sums[3] = Lanes.sum(s3);
  }

  @Override
  final float dot(MemorySegment x, long xAt, MemorySegment w, long wAt, int body) {
    FloatVector s = FloatVector.zero(F);
    for (long k = 0; k < body * 2L; k += N * 4L) {
      IntVector p = pairs(w, wAt + k);
      s = load(x, xAt + 2 * k).fma(even(p), s);
      s = load(x, xAt + 2 * k + N * 4L).fma(odd(p), s);
    }
    return Lanes.sum(s);
  }
}
