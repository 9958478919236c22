package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * f16 in f32's clothes: exponent and mantissa three bits further down, and 2^112 makes up for the
 * difference of the biases, subnormals included. Infinities and NaN, which no trained weight is,
 * become finite.
 */
final class F16Dot extends HalfDot {
  static final F16Dot INSTANCE = new F16Dot();

  private static final float REBIAS = 0x1p112f;

  @Override
  FloatVector widen(IntVector top) {
    // The arithmetic shift smears the sign over three bits; the mask keeps the first of them.
    IntVector moved = top.lanewise(VectorOperators.ASHR, 3).and(0x8FFFFFFF);
    return moved.reinterpretAsFloats().mul(REBIAS);
  }

  /**
   * The body of one row of weights as f32, in the order of the activations: what {@link Tile} works
   * on.
   *
   * @param w weights, from byte wAt on
   * @param to receives them, from byte {@code at} on
   */
  void widen(MemorySegment w, long wAt, int body, MemorySegment to, long at) {
    for (int k = 0; k < body; k += 2 * N) {
      IntVector p = pairs(w, wAt + k * 2L);
      even(p).intoMemorySegment(to, at + k * 4L, LE);
      odd(p).intoMemorySegment(to, at + (k + N) * 4L, LE);
    }
  }

  /**
   * The inner products of one row of x and 2 of w over the body, in the lanes from {@code to} on:
   * half of {@link F32Dot#dot1x4}. With four rows the compiler would stop looking into methods
   * half-way (NodeCountInliningCutoff), and make an object of every vector.
   */
  void dot1x2(
      float[] x,
      int xAt,
      MemorySegment w,
      long wAt,
      long wStride,
      int body,
      float[] lanes,
      int to) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    for (int k = 0; k < body; k += 2 * N) {
      FloatVector a = load(x, xAt + k);
      FloatVector b = load(x, xAt + k + N);
      IntVector p0 = pairs(w, wAt + k * 2L);
      IntVector p1 = pairs(w, wAt + wStride + k * 2L);
      s0 = b.fma(odd(p0), a.fma(even(p0), s0));
      s1 = b.fma(odd(p1), a.fma(even(p1), s1));
    }
    s0.intoArray(lanes, to);
    s1.intoArray(lanes, to + N);
  }
}
