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

  private static FloatVector load(float[] x, int at) {
    return FloatVector.fromArray(F, x, at);
  }

  private static IntVector pairs(MemorySegment s, long at) {
    return IntVector.fromMemorySegment(I, s, at, LE);
  }

  /**
   * The body of one row of weights as f32, in the order of the activations: what {@link Tile} works
   * on.
   *
   * @param w weights, from byte wAt on
   * @param to receives them, from byte {@code at} on
   */
  final void widen(MemorySegment w, long wAt, int body, MemorySegment to, long at) {
    for (int k = 0; k < body; k += 2 * N) {
      IntVector p = pairs(w, wAt + k * 2L);
      even(p).intoMemorySegment(to, at + k * 4L, LE);
      odd(p).intoMemorySegment(to, at + (k + N) * 4L, LE);
    }
  }

  @Override
  final void dot1x4(
      float[] x, int xAt, MemorySegment w, long wAt, long wStride, int body, float[] lanes) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (int k = 0; k < body; k += 2 * N) {
      FloatVector a = load(x, xAt + k);
      FloatVector b = load(x, xAt + k + N);
      IntVector p0 = pairs(w, wAt + k * 2L);
      IntVector p1 = pairs(w, wAt + wStride + k * 2L);
      IntVector p2 = pairs(w, wAt + 2 * wStride + k * 2L);
      IntVector p3 = pairs(w, wAt + 3 * wStride + k * 2L);
      s0 = b.fma(odd(p0), a.fma(even(p0), s0));
      s1 = b.fma(odd(p1), a.fma(even(p1), s1));
      s2 = b.fma(odd(p2), a.fma(even(p2), s2));
      s3 = b.fma(odd(p3), a.fma(even(p3), s3));
    }
    s0.intoArray(lanes, 0 * N);
    s1.intoArray(lanes, 1 * N);
    s2.intoArray(lanes, 2 * N);
    s3.intoArray(lanes, 3 * N);
  }

  @Override
  final float dot(float[] x, int xAt, MemorySegment w, long wAt, int body) {
    FloatVector s = FloatVector.zero(F);
    for (int k = 0; k < body; k += 2 * N) {
      IntVector p = pairs(w, wAt + k * 2L);
      s = load(x, xAt + k).fma(even(p), s);
      s = load(x, xAt + k + N).fma(odd(p), s);
    }
    return Lanes.sum(s);
  }
}
