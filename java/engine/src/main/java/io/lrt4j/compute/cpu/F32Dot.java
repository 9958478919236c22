package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** f32 weights against plain f32 activations. */
final class F32Dot extends DotKernel {
  static final F32Dot INSTANCE = new F32Dot();

  @Override
  int body(int n) {
    return n / N * N;
  }

  @Override
  boolean splitInput() {
    return false;
  }

  private static FloatVector load(MemorySegment s, long at) {
    return FloatVector.fromMemorySegment(F, s, at, LE);
  }

  @Override
  void dot4x4(
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
    for (long k = 0; k < body * 4L; k += N * 4L) {
      FloatVector w0 = load(w, wAt + k);
      FloatVector w1 = load(w, wAt + wStride + k);
      FloatVector w2 = load(w, wAt + 2 * wStride + k);
      FloatVector w3 = load(w, wAt + 3 * wStride + k);
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
  void dot1x4(
      MemorySegment x, long xAt, MemorySegment w, long wAt, long wStride, int body, float[] sums) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (long k = 0; k < body * 4L; k += N * 4L) {
      FloatVector a = load(x, xAt + k);
      s0 = a.fma(load(w, wAt + k), s0);
      s1 = a.fma(load(w, wAt + wStride + k), s1);
      s2 = a.fma(load(w, wAt + 2 * wStride + k), s2);
      s3 = a.fma(load(w, wAt + 3 * wStride + k), s3);
    }
    sums[0] = Lanes.sum(s0);
    sums[1] = Lanes.sum(s1);
    sums[2] = Lanes.sum(s2);
    sums[3] = Lanes.sum(s3);
  }

  @Override
  float dot(MemorySegment x, long xAt, MemorySegment w, long wAt, int body) {
    FloatVector s = FloatVector.zero(F);
    for (long k = 0; k < body * 4L; k += N * 4L) {
      s = load(x, xAt + k).fma(load(w, wAt + k), s);
    }
    return Lanes.sum(s);
  }
}
