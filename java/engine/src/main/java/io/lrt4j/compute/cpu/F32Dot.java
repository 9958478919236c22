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

  private static FloatVector load(float[] x, int at) {
    return FloatVector.fromArray(F, x, at);
  }

  private static FloatVector load(MemorySegment s, long at) {
    return FloatVector.fromMemorySegment(F, s, at, LE);
  }

  /**
   * The inner products of one row of x and 4 of w over the body: x · w_j in the N lanes from j N
   * on; {@link Lanes#sum4} adds them up.
   *
   * @param x activations, from element xAt on
   * @param w weights, from byte wAt on, wStride bytes from row to row
   */
  void dot1x4(
      float[] x, int xAt, MemorySegment w, long wAt, long wStride, int body, float[] lanes) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (int k = 0; k < body; k += N) {
      FloatVector a = load(x, xAt + k);
      s0 = a.fma(load(w, wAt + k * 4L), s0);
      s1 = a.fma(load(w, wAt + wStride + k * 4L), s1);
      s2 = a.fma(load(w, wAt + 2 * wStride + k * 4L), s2);
      s3 = a.fma(load(w, wAt + 3 * wStride + k * 4L), s3);
    }
    s0.intoArray(lanes, 0 * N);
    s1.intoArray(lanes, 1 * N);
    s2.intoArray(lanes, 2 * N);
    s3.intoArray(lanes, 3 * N);
  }

  /**
   * The same of weights that lie outside the Java heap, without a check of each load.
   *
   * @param at where the first weight's row is, by {@link ByAddress#of}, and all four have been
   *     checked to be
   */
  void dot1x4ByAddress(
      float[] x, int xAt, MemorySegment w, long at, long wStride, int body, float[] lanes) {
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    long at1 = ByAddress.plus(at, wStride);
    long at2 = ByAddress.plus(at, 2 * wStride);
    long at3 = ByAddress.plus(at, 3 * wStride);
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (int k = 0; k < body; k += N) {
      FloatVector a = load(x, xAt + k);
      s0 = a.fma(load(ws, at0 + k * 4L), s0);
      s1 = a.fma(load(ws, at1 + k * 4L), s1);
      s2 = a.fma(load(ws, at2 + k * 4L), s2);
      s3 = a.fma(load(ws, at3 + k * 4L), s3);
    }
    s0.intoArray(lanes, 0 * N);
    s1.intoArray(lanes, 1 * N);
    s2.intoArray(lanes, 2 * N);
    s3.intoArray(lanes, 3 * N);
  }

  @Override
  float dot(float[] x, int xAt, MemorySegment w, long wAt, int body) {
    FloatVector s = FloatVector.zero(F);
    for (int k = 0; k < body; k += N) {
      s = load(x, xAt + k).fma(load(w, wAt + k * 4L), s);
    }
    return Lanes.sum(s);
  }
}
