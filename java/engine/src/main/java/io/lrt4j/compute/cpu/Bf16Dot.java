package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** bf16 is the top half of an f32. */
final class Bf16Dot extends HalfDot {
  static final Bf16Dot INSTANCE = new Bf16Dot();

  @Override
  FloatVector widen(IntVector top) {
    return top.reinterpretAsFloats();
  }

  /** See {@link F32Dot#dot1x4ByAddress}. */
  void dot1x4(float[] x, int xAt, MemorySegment w, long at, long wStride, int body, float[] lanes) {
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    long at1 = ByAddress.plus(at, wStride);
    long at2 = ByAddress.plus(at, 2 * wStride);
    long at3 = ByAddress.plus(at, 3 * wStride);
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = FloatVector.zero(F);
    FloatVector s2 = FloatVector.zero(F);
    FloatVector s3 = FloatVector.zero(F);
    for (int k = 0; k < body; k += 2 * N) {
      FloatVector a = load(x, xAt + k);
      FloatVector b = load(x, xAt + k + N);
      IntVector p0 = pairs(ws, at0 + k * 2L);
      IntVector p1 = pairs(ws, at1 + k * 2L);
      IntVector p2 = pairs(ws, at2 + k * 2L);
      IntVector p3 = pairs(ws, at3 + k * 2L);
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
}
