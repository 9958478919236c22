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
 * Four bits, eight elements of a block to a lane. They are multiplied as shorts: the even ones of a
 * vector sum one half of a block's products, the odd ones the other. All 32 add up to at most 32 *
 * 8 * 127, which a short holds; on the way sums may wrap round, which does no harm.
 */
final class Q4Panel extends PanelKernel {
  private static final int GROUPS = 4; // of a block
  private static final int HALF = 16;
  private static final int TOO_MUCH = 8; // that weights are stored higher than they are
  private static final int NIBBLES = 0x000F000F; // the lowest of both shorts
  static final Q4Panel INSTANCE = new Q4Panel();

  private Q4Panel() {
    super(DType.Q4);
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
      int[] begins,
      int blocks,
      MemorySegment w,
      long at,
      long w1,
      long w2,
      long w3,
      int[] room) {
    ShortVector s0 = IntVector.broadcast(I, begins[0]).reinterpretAsShorts();
    ShortVector s1 = s0;
    ShortVector s2 = s0;
    ShortVector s3 = s0;
    for (int g = 0; g < blocks * GROUPS; g++) {
      long group = at + (long) g * GROUP + (long) (g / GROUPS) * SCALES;
      IntVector p0 = IntVector.fromMemorySegment(I, w, group, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, w, group + w1, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, w, group + w2, LE);
      IntVector p3 = IntVector.fromMemorySegment(I, w, group + w3, LE);
      ShortVector a = IntVector.broadcast(I, x[4 * g]).reinterpretAsShorts();
      s0 = s0.add(p0.and(NIBBLES).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.and(NIBBLES).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.and(NIBBLES).reinterpretAsShorts().mul(a));
      s3 = s3.add(p3.and(NIBBLES).reinterpretAsShorts().mul(a));
      a = IntVector.broadcast(I, x[4 * g + 1]).reinterpretAsShorts();
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 4).and(NIBBLES).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 4).and(NIBBLES).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 4).and(NIBBLES).reinterpretAsShorts().mul(a));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 4).and(NIBBLES).reinterpretAsShorts().mul(a));
      a = IntVector.broadcast(I, x[4 * g + 2]).reinterpretAsShorts();
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 8).and(NIBBLES).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 8).and(NIBBLES).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 8).and(NIBBLES).reinterpretAsShorts().mul(a));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 8).and(NIBBLES).reinterpretAsShorts().mul(a));
      a = IntVector.broadcast(I, x[4 * g + 3]).reinterpretAsShorts();
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 12).and(NIBBLES).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 12).and(NIBBLES).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 12).and(NIBBLES).reinterpretAsShorts().mul(a));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 12).and(NIBBLES).reinterpretAsShorts().mul(a));
      if (g % GROUPS == GROUPS - 1) {
        int block = g / GROUPS;
        int to = block * 4 * N;
        s0.reinterpretAsInts().intoArray(room, to);
        s1.reinterpretAsInts().intoArray(room, to + N);
        s2.reinterpretAsInts().intoArray(room, to + 2 * N);
        s3.reinterpretAsInts().intoArray(room, to + 3 * N);
        s0 = IntVector.broadcast(I, begins[block + 1]).reinterpretAsShorts();
        s1 = s0;
        s2 = s0;
        s3 = s0;
      }
    }
  }

  @Override
  void finish(
      int[] room,
      int at,
      float[] xScales,
      int blocks,
      MemorySegment w,
      long scalesAt,
      float[] sums,
      int sumAt) {
    FloatVector t = FloatVector.zero(F);
    for (int block = 0; block < blocks; block++) {
      IntVector v = IntVector.fromArray(I, room, at + block * 4 * N);
      // The sum of two neighbours is in the upper half of v + (v << 16).
      v = v.lanewise(VectorOperators.LSHL, 16).add(v).lanewise(VectorOperators.ASHR, 16);
      t =
          v.convert(VectorOperators.I2F, 0)
              .reinterpretAsFloats()
              .mul(xScales[block])
              .fma(scales(w, scalesAt, block), t);
    }
    t.intoArray(sums, sumAt);
  }

  @Override
  void tile(
      int[] x,
      float[] xScales,
      int[] begins,
      int first,
      int blocks,
      MemorySegment w,
      long at,
      long w1,
      MemorySegment scales,
      long scalesAt,
      float[] sums,
      int sumAt,
      int sumStride,
      int[] room) {
    ShortVector s00 = IntVector.broadcast(I, begins[first]).reinterpretAsShorts();
    ShortVector s01 = s00;
    ShortVector s10 = IntVector.broadcast(I, begins[first + 1 * blocks]).reinterpretAsShorts();
    ShortVector s11 = s10;
    ShortVector s20 = IntVector.broadcast(I, begins[first + 2 * blocks]).reinterpretAsShorts();
    ShortVector s21 = s20;
    ShortVector s30 = IntVector.broadcast(I, begins[first + 3 * blocks]).reinterpretAsShorts();
    ShortVector s31 = s30;
    int x0 = first * HALF;
    int x1 = x0 + blocks * HALF;
    int x2 = x1 + blocks * HALF;
    int x3 = x2 + blocks * HALF;
    for (int g = 0; g < blocks * GROUPS; g++) {
      long group = at + (long) g * GROUP + (long) (g / GROUPS) * SCALES;
      IntVector p0 = IntVector.fromMemorySegment(I, w, group, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, w, group + w1, LE);
      ShortVector n0 = p0.and(NIBBLES).reinterpretAsShorts();
      ShortVector n1 = p1.and(NIBBLES).reinterpretAsShorts();
      ShortVector a = IntVector.broadcast(I, x[x0 + 4 * g]).reinterpretAsShorts();
      s00 = s00.add(n0.mul(a));
      s01 = s01.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x1 + 4 * g]).reinterpretAsShorts();
      s10 = s10.add(n0.mul(a));
      s11 = s11.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x2 + 4 * g]).reinterpretAsShorts();
      s20 = s20.add(n0.mul(a));
      s21 = s21.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x3 + 4 * g]).reinterpretAsShorts();
      s30 = s30.add(n0.mul(a));
      s31 = s31.add(n1.mul(a));
      n0 = p0.lanewise(VectorOperators.LSHR, 4).and(NIBBLES).reinterpretAsShorts();
      n1 = p1.lanewise(VectorOperators.LSHR, 4).and(NIBBLES).reinterpretAsShorts();
      a = IntVector.broadcast(I, x[x0 + 4 * g + 1]).reinterpretAsShorts();
      s00 = s00.add(n0.mul(a));
      s01 = s01.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x1 + 4 * g + 1]).reinterpretAsShorts();
      s10 = s10.add(n0.mul(a));
      s11 = s11.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x2 + 4 * g + 1]).reinterpretAsShorts();
      s20 = s20.add(n0.mul(a));
      s21 = s21.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x3 + 4 * g + 1]).reinterpretAsShorts();
      s30 = s30.add(n0.mul(a));
      s31 = s31.add(n1.mul(a));
      n0 = p0.lanewise(VectorOperators.LSHR, 8).and(NIBBLES).reinterpretAsShorts();
      n1 = p1.lanewise(VectorOperators.LSHR, 8).and(NIBBLES).reinterpretAsShorts();
      a = IntVector.broadcast(I, x[x0 + 4 * g + 2]).reinterpretAsShorts();
      s00 = s00.add(n0.mul(a));
      s01 = s01.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x1 + 4 * g + 2]).reinterpretAsShorts();
      s10 = s10.add(n0.mul(a));
      s11 = s11.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x2 + 4 * g + 2]).reinterpretAsShorts();
      s20 = s20.add(n0.mul(a));
      s21 = s21.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x3 + 4 * g + 2]).reinterpretAsShorts();
      s30 = s30.add(n0.mul(a));
      s31 = s31.add(n1.mul(a));
      n0 = p0.lanewise(VectorOperators.LSHR, 12).and(NIBBLES).reinterpretAsShorts();
      n1 = p1.lanewise(VectorOperators.LSHR, 12).and(NIBBLES).reinterpretAsShorts();
      a = IntVector.broadcast(I, x[x0 + 4 * g + 3]).reinterpretAsShorts();
      s00 = s00.add(n0.mul(a));
      s01 = s01.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x1 + 4 * g + 3]).reinterpretAsShorts();
      s10 = s10.add(n0.mul(a));
      s11 = s11.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x2 + 4 * g + 3]).reinterpretAsShorts();
      s20 = s20.add(n0.mul(a));
      s21 = s21.add(n1.mul(a));
      a = IntVector.broadcast(I, x[x3 + 4 * g + 3]).reinterpretAsShorts();
      s30 = s30.add(n0.mul(a));
      s31 = s31.add(n1.mul(a));
      if (g % GROUPS == GROUPS - 1) {
        int block = g / GROUPS;
        int b = first + block;
        s00.reinterpretAsInts().intoArray(room, block * 8 * N + 0 * N);
        s01.reinterpretAsInts().intoArray(room, block * 8 * N + 1 * N);
        s10.reinterpretAsInts().intoArray(room, block * 8 * N + 2 * N);
        s11.reinterpretAsInts().intoArray(room, block * 8 * N + 3 * N);
        s20.reinterpretAsInts().intoArray(room, block * 8 * N + 4 * N);
        s21.reinterpretAsInts().intoArray(room, block * 8 * N + 5 * N);
        s30.reinterpretAsInts().intoArray(room, block * 8 * N + 6 * N);
        s31.reinterpretAsInts().intoArray(room, block * 8 * N + 7 * N);
        s00 = IntVector.broadcast(I, begins[b + 1]).reinterpretAsShorts();
        s01 = s00;
        s10 = IntVector.broadcast(I, begins[b + 1 + 1 * blocks]).reinterpretAsShorts();
        s11 = s10;
        s20 = IntVector.broadcast(I, begins[b + 1 + 2 * blocks]).reinterpretAsShorts();
        s21 = s20;
        s30 = IntVector.broadcast(I, begins[b + 1 + 3 * blocks]).reinterpretAsShorts();
        s31 = s30;
      }
    }
    for (int i = 0; i < 8; i++) {
      int b = first + i / 2 * blocks;
      long of = scalesAt + i % 2 * 4L * N;
      finishTile(
          room, i * N, xScales, b, blocks, scales, of, sums, sumAt + i / 2 * sumStride + i % 2 * N);
    }
  }

  /** The product of a row and a vector of outputs: its blocks are eight vectors apart. */
  private static void finishTile(
      int[] room,
      int at,
      float[] xScales,
      int first,
      int blocks,
      MemorySegment scales,
      long scalesAt,
      float[] sums,
      int sumAt) {
    FloatVector t = FloatVector.zero(F);
    for (int block = 0; block < blocks; block++) {
      IntVector v = IntVector.fromArray(I, room, at + block * 8 * N);
      v = v.lanewise(VectorOperators.LSHL, 16).add(v).lanewise(VectorOperators.ASHR, 16);
      FloatVector scale =
          FloatVector.fromMemorySegment(
              F, scales, scalesAt + block * 4L * VectorPanels.OUTPUTS, LE);
      t =
          v.convert(VectorOperators.I2F, 0)
              .reinterpretAsFloats()
              .mul(xScales[first + block])
              .fma(scale, t);
    }
    t.intoArray(sums, sumAt);
  }
}
