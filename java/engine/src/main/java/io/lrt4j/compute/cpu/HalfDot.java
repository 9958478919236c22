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

  final FloatVector even(IntVector pairs) {
    return widen(pairs.lanewise(VectorOperators.LSHL, 16));
  }

  final FloatVector odd(IntVector pairs) {
    return widen(pairs.and(0xFFFF0000));
  }

  static FloatVector load(float[] x, int at) {
    return FloatVector.fromArray(F, x, at);
  }

  static IntVector pairs(MemorySegment s, long at) {
    return IntVector.fromMemorySegment(I, s, at, LE);
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
