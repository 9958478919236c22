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

/** Four bits, eight elements of a block to a lane: four of its first half, four of its second. */
final class Q4Panel extends PanelKernel {
  private static final int GROUPS = 4; // of a block
  private static final int HALF = BLOCK / 2;
  static final Q4Panel INSTANCE = new Q4Panel();

  private Q4Panel() {
    super(DType.Q4, 8);
  }

  @Override
  int shift(int i) {
    int shift = 8 * (i % 4) + 4 * (i / HALF);
    return shift == 28 ? 0 : shift; // the last is shifted down: masked it would have a sign
  }

  @Override
  void stream(
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
      float[] sums) {
    FloatVector t0 = FloatVector.zero(F);
    FloatVector t1 = FloatVector.zero(F);
    FloatVector t2 = FloatVector.zero(F);
    FloatVector t3 = FloatVector.zero(F);
    for (int block = 0; block < blocks; block++) {
      FloatVector s0 = FloatVector.broadcast(F, begins[xBlock + block]);
      FloatVector s1 = s0;
      FloatVector s2 = s0;
      FloatVector s3 = s0;
      int k = xAt + block * BLOCK;
      long from = at + (long) block * GROUPS * GROUP;
      for (int g = 0; g < GROUPS; g++) {
        long group = from + (long) g * GROUP;
        IntVector p0 = IntVector.fromMemorySegment(I, w, group, LE);
        IntVector p1 = IntVector.fromMemorySegment(I, w, group + w1, LE);
        IntVector p2 = IntVector.fromMemorySegment(I, w, group + w2, LE);
        IntVector p3 = IntVector.fromMemorySegment(I, w, group + w3, LE);
        FloatVector a = FloatVector.broadcast(F, x[k + 4 * g]);
        s0 = a.fma(p0.and(0xF).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + HALF]);
        s0 = a.fma(p0.and(0xF0).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF0).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF0).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF0).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + 1]);
        s0 = a.fma(p0.and(0xF00).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF00).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF00).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF00).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + HALF + 1]);
        s0 = a.fma(p0.and(0xF000).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF000).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF000).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF000).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + 2]);
        s0 = a.fma(p0.and(0xF0000).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF0000).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF0000).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF0000).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + HALF + 2]);
        s0 = a.fma(p0.and(0xF00000).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF00000).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF00000).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF00000).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + 3]);
        s0 = a.fma(p0.and(0xF000000).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.and(0xF000000).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.and(0xF000000).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.and(0xF000000).convert(VectorOperators.I2F, 0), s3);
        a = FloatVector.broadcast(F, x[k + 4 * g + HALF + 3]);
        s0 = a.fma(p0.lanewise(VectorOperators.LSHR, 28).convert(VectorOperators.I2F, 0), s0);
        s1 = a.fma(p1.lanewise(VectorOperators.LSHR, 28).convert(VectorOperators.I2F, 0), s1);
        s2 = a.fma(p2.lanewise(VectorOperators.LSHR, 28).convert(VectorOperators.I2F, 0), s2);
        s3 = a.fma(p3.lanewise(VectorOperators.LSHR, 28).convert(VectorOperators.I2F, 0), s3);
      }
      float scale = xScales[xBlock + block];
      long of = scalesAt + (long) block * 16L * N;
      t0 = s0.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of, LE), t0);
      t1 = s1.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of + 4L * N, LE), t1);
      t2 = s2.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of + 8L * N, LE), t2);
      t3 = s3.mul(scale).fma(FloatVector.fromMemorySegment(F, scales, of + 12L * N, LE), t3);
    }
    t0.intoArray(sums, 0);
    t1.intoArray(sums, N);
    t2.intoArray(sums, 2 * N);
    t3.intoArray(sums, 3 * N);
  }

  @Override
  void widen(MemorySegment w, long at, int blocks, MemorySegment to, long toAt) {
    for (int block = 0; block < blocks; block++) {
      for (int g = 0; g < GROUPS; g++) {
        IntVector p =
            IntVector.fromMemorySegment(I, w, at + ((long) block * GROUPS + g) * GROUP, LE);
        long low = toAt + ((long) block * BLOCK + 4L * g) * 16L * N;
        long high = low + HALF * 16L * N;
        store(p.and(0xF), to, low);
        store(p.and(0xF0), to, high);
        store(p.and(0xF00), to, low + 16L * N);
        store(p.and(0xF000), to, high + 16L * N);
        store(p.and(0xF0000), to, low + 32L * N);
        store(p.and(0xF00000), to, high + 32L * N);
        store(p.and(0xF000000), to, low + 48L * N);
        store(p.lanewise(VectorOperators.LSHR, 28), to, high + 48L * N);
      }
    }
  }

  private static void store(IntVector v, MemorySegment to, long at) {
    v.convert(VectorOperators.I2F, 0).reinterpretAsFloats().intoMemorySegment(to, at, LE);
  }
}
