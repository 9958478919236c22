package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.I;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Four bits, eight elements of a block to a lane. One row multiplies them as shorts: the even ones
 * of a vector sum one half of a block's products, the odd ones the other. All 32 add up to at most
 * 32 * 8 * 127, which a short holds; on the way sums may wrap round, which does no harm.
 */
final class Q4Panel extends PanelKernel {
  private static final int GROUPS = 4; // of a block
  private static final int HALF = 16;
  private static final int TOO_MUCH = 8;
  private static final short NIBBLE = 15;
  static final Q4Panel INSTANCE = new Q4Panel();

  private Q4Panel() {
    super(DType.Q4, TOO_MUCH);
  }

  @Override
  int shift(int i) {
    int shift = 8 * (i % 4) + 4 * (i / HALF);
    return shift == 28 ? 0 : shift; // the last is moved down: masked it would have a sign
  }

  @Override
  int patterns() {
    return HALF;
  }

  @Override
  int arrange(int[] bytes, int[] values, int at) {
    int sum = 0;
    for (int i = 0; i < BLOCK; i++) {
      sum += bytes[i];
    }
    for (int g = 0; g < BLOCK / 8; g++) {
      int to = at + 4 * g;
      int i = 4 * g;
      values[to] = pair(bytes[i], bytes[i + 2]);
      values[to + 1] = pair(bytes[i + HALF], bytes[i + HALF + 2]);
      values[to + 2] = pair(bytes[i + 1], bytes[i + 3]);
      values[to + 3] = pair(bytes[i + HALF + 1], bytes[i + HALF + 3]);
    }
    return pair(-TOO_MUCH * sum, 0);
  }

  /** What an even and an odd short meet. */
  private static int pair(int even, int odd) {
    return (even & 0xFFFF) | (odd << 16);
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
    ShortVector s0 = IntVector.broadcast(I, begins[0]).reinterpretAsShorts();
    ShortVector s1 = s0;
    ShortVector s2 = s0;
    ShortVector s3 = s0;
    for (int g = 0; g < blocks * GROUPS; g++) {
      long group = at + (long) g * GROUP;
      ShortVector p0 = IntVector.fromMemorySegment(I, w, group, LE).reinterpretAsShorts();
      ShortVector p1 = IntVector.fromMemorySegment(I, w, group + w1, LE).reinterpretAsShorts();
      ShortVector p2 = IntVector.fromMemorySegment(I, w, group + w2, LE).reinterpretAsShorts();
      ShortVector p3 = IntVector.fromMemorySegment(I, w, group + w3, LE).reinterpretAsShorts();
      ShortVector a = IntVector.broadcast(I, x[4 * g]).reinterpretAsShorts();
      s0 = s0.add(p0.and(NIBBLE).mul(a));
      s1 = s1.add(p1.and(NIBBLE).mul(a));
      s2 = s2.add(p2.and(NIBBLE).mul(a));
      s3 = s3.add(p3.and(NIBBLE).mul(a));
      a = IntVector.broadcast(I, x[4 * g + 1]).reinterpretAsShorts();
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 4).and(NIBBLE).mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 4).and(NIBBLE).mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 4).and(NIBBLE).mul(a));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 4).and(NIBBLE).mul(a));
      a = IntVector.broadcast(I, x[4 * g + 2]).reinterpretAsShorts();
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 8).and(NIBBLE).mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 8).and(NIBBLE).mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 8).and(NIBBLE).mul(a));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 8).and(NIBBLE).mul(a));
      a = IntVector.broadcast(I, x[4 * g + 3]).reinterpretAsShorts();
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 12).mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 12).mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 12).mul(a));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 12).mul(a));
      if (g % GROUPS == GROUPS - 1) {
        int block = g / GROUPS;
        float scale = xScales[block];
        long of = (long) block * 16L * N;
        // The sum of two neighbours is in the upper half of v + (v << 16).
        IntVector v0 = s0.reinterpretAsInts();
        v0 = v0.lanewise(VectorOperators.LSHL, 16).add(v0).lanewise(VectorOperators.ASHR, 16);
        t0 =
            v0.convert(VectorOperators.I2F, 0)
                .reinterpretAsFloats()
                .mul(scale)
                .fma(FloatVector.fromMemorySegment(F, scales, of, LE), t0);
        IntVector v1 = s1.reinterpretAsInts();
        v1 = v1.lanewise(VectorOperators.LSHL, 16).add(v1).lanewise(VectorOperators.ASHR, 16);
        t1 =
            v1.convert(VectorOperators.I2F, 0)
                .reinterpretAsFloats()
                .mul(scale)
                .fma(FloatVector.fromMemorySegment(F, scales, of + 4L * N, LE), t1);
        IntVector v2 = s2.reinterpretAsInts();
        v2 = v2.lanewise(VectorOperators.LSHL, 16).add(v2).lanewise(VectorOperators.ASHR, 16);
        t2 =
            v2.convert(VectorOperators.I2F, 0)
                .reinterpretAsFloats()
                .mul(scale)
                .fma(FloatVector.fromMemorySegment(F, scales, of + 8L * N, LE), t2);
        IntVector v3 = s3.reinterpretAsInts();
        v3 = v3.lanewise(VectorOperators.LSHL, 16).add(v3).lanewise(VectorOperators.ASHR, 16);
        t3 =
            v3.convert(VectorOperators.I2F, 0)
                .reinterpretAsFloats()
                .mul(scale)
                .fma(FloatVector.fromMemorySegment(F, scales, of + 12L * N, LE), t3);
        s0 = IntVector.broadcast(I, begins[block + 1]).reinterpretAsShorts();
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
      long low = toAt + ((long) (g / GROUPS) * BLOCK + g % GROUPS * 4L) * 16L * N;
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
