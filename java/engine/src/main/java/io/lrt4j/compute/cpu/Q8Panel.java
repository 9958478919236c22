package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Bytes, four elements of a block to a lane, multiplied as f32, for which a mask is enough. */
final class Q8Panel extends PanelKernel {
  private static final int GROUPS = 8; // of a block
  static final Q8Panel INSTANCE = new Q8Panel();

  private Q8Panel() {
    super(DType.Q8, 128);
  }

  @Override
  int shift(int i) {
    return i % 4 == 3 ? 0 : 8 * (i % 4); // the last is moved down: masked it would have a sign
  }

  @Override
  int patterns() {
    return BLOCK;
  }

  @Override
  int arrange(int[] bytes, int[] values, int at) {
    return arrangeTile(bytes, values, at);
  }

  @Override
  void stream(
      int[] x,
      float[] xScales,
      int[] begins,
      int blocks,
      MemorySegment w,
      long at,
      long w1,
      long w2,
      long w3,
      MemorySegment scales,
      float[] sums) {
    FloatVector t0 = FloatVector.zero(F);
    FloatVector t1 = FloatVector.zero(F);
    FloatVector t2 = FloatVector.zero(F);
    FloatVector t3 = FloatVector.zero(F);
    FloatVector s0 = IntVector.broadcast(I, begins[0]).reinterpretAsFloats();
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    for (int g = 0; g < blocks * GROUPS; g++) {
      long group = at + (long) g * GROUP;
      IntVector p0 = IntVector.fromMemorySegment(I, w, group, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, w, group + w1, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, w, group + w2, LE);
      IntVector p3 = IntVector.fromMemorySegment(I, w, group + w3, LE);
      FloatVector a = IntVector.broadcast(I, x[4 * g]).reinterpretAsFloats();
      s0 = a.fma(p0.and(0xFF).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.and(0xFF).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.and(0xFF).convert(VectorOperators.I2F, 0), s3);
      a = IntVector.broadcast(I, x[4 * g + 1]).reinterpretAsFloats();
      s0 = a.fma(p0.and(0xFF00).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF00).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.and(0xFF00).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.and(0xFF00).convert(VectorOperators.I2F, 0), s3);
      a = IntVector.broadcast(I, x[4 * g + 2]).reinterpretAsFloats();
      s0 = a.fma(p0.and(0xFF0000).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF0000).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.and(0xFF0000).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.and(0xFF0000).convert(VectorOperators.I2F, 0), s3);
      a = IntVector.broadcast(I, x[4 * g + 3]).reinterpretAsFloats();
      s0 = a.fma(p0.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s3);
      if (g % GROUPS == GROUPS - 1) {
        int block = g / GROUPS;
        float scale = xScales[block];
        long of = (long) block * 16L * N;
        t0 = s0.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of, LE), t0);
        t1 = s1.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of + 4L * N, LE), t1);
        t2 = s2.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of + 8L * N, LE), t2);
        t3 = s3.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of + 12L * N, LE), t3);
        s0 = IntVector.broadcast(I, begins[block + 1]).reinterpretAsFloats();
        s1 = s0;
        s2 = s0;
        s3 = s0;
      }
    }
    t0.intoArray(sums, 0);
    t1.intoArray(sums, N);
    t2.intoArray(sums, 2 * N);
    t3.intoArray(sums, 3 * N);
  }

  @Override
  void widen(MemorySegment w, long at, int blocks, MemorySegment to, long toAt) {
    for (int g = 0; g < blocks * GROUPS; g++) {
      IntVector p = IntVector.fromMemorySegment(I, w, at + (long) g * GROUP, LE);
      long four = toAt + g * 64L * N;
      store(p.and(0xFF), to, four);
      store(p.and(0xFF00), to, four + 16L * N);
      store(p.and(0xFF0000), to, four + 32L * N);
      store(p.lanewise(VectorOperators.LSHR, 24), to, four + 48L * N);
    }
  }
}
