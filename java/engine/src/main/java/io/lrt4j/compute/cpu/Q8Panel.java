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

/** Bytes, four elements of a block to a lane, multiplied as f32, for which a mask is enough. */
final class Q8Panel extends PanelKernel {
  private static final int GROUPS = 8; // of a block
  private static final int STEPS = PAIRED ? GROUPS / 2 : GROUPS; // of a block
  static final Q8Panel INSTANCE = new Q8Panel();

  private static final int TOO_MUCH = 128; // that weights are stored higher than they are

  private final float[] factors = new float[BLOCK];

  private Q8Panel() {
    super(DType.Q8);
    for (int i = 0; i < BLOCK; i++) {
      // Three of a lane's bytes are left where they are; the last, masked, would have a sign.
      factors[i] = i % 4 == 3 ? 1 : 1f / (1 << (8 * (i % 4)));
    }
  }

  @Override
  int patterns() {
    return BLOCK;
  }

  @Override
  int arrange(int[] bytes, int[] values, int at) {
    int sum = 0;
    for (int i = 0; i < BLOCK; i++) {
      sum += bytes[i];
      values[at + i] = Float.floatToRawIntBits(bytes[i] * factors[i]);
    }
    return Float.floatToRawIntBits((float) (-TOO_MUCH * sum));
  }

  @Override
  void stream(
      int[] x,
      int[] begins,
      float[] xScales,
      int blocks,
      MemorySegment w,
      long at,
      Sums room,
      float[] sums,
      int sumAt) {
    float[] whole = room.floats;
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    FloatVector s0 = IntVector.broadcast(I, begins[0]).reinterpretAsFloats();
    FloatVector s1 = s0;
    FloatVector s2 = PAIRED ? FloatVector.zero(F) : s0;
    FloatVector s3 = s2;
    int never = -blocks; // see NarrowTile
    for (int i = 0; i < blocks * HALVES * STEPS; i++) {
      int unit = i / STEPS;
      int block = unit / HALVES;
      int half = unit % HALVES;
      int step = i - (unit - block) * STEPS; // of one half, if there are two
      long from = at0 + (long) step * STEP + (long) block * SCALES + (long) half * HALF_GROUP;
      int g = PATTERNS * step;
      IntVector p0 = IntVector.fromMemorySegment(I, ws, from, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, ws, from + LANES, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, ws, from + 2 * LANES, LE);
      IntVector p3 = IntVector.fromMemorySegment(I, ws, from + 3 * LANES, LE);
      FloatVector a = IntVector.broadcast(I, x[g]).reinterpretAsFloats();
      FloatVector b = PAIRED ? IntVector.broadcast(I, x[g + 4]).reinterpretAsFloats() : a;
      s0 = a.fma(p0.and(0xFF).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF).convert(VectorOperators.I2F, 0), s1);
      s2 = b.fma(p2.and(0xFF).convert(VectorOperators.I2F, 0), s2);
      s3 = b.fma(p3.and(0xFF).convert(VectorOperators.I2F, 0), s3);
      if (NarrowTile.WANTED && i + 1 == never) {
        break;
      }
      a = IntVector.broadcast(I, x[g + 1]).reinterpretAsFloats();
      b = PAIRED ? IntVector.broadcast(I, x[g + 5]).reinterpretAsFloats() : a;
      s0 = a.fma(p0.and(0xFF00).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF00).convert(VectorOperators.I2F, 0), s1);
      s2 = b.fma(p2.and(0xFF00).convert(VectorOperators.I2F, 0), s2);
      s3 = b.fma(p3.and(0xFF00).convert(VectorOperators.I2F, 0), s3);
      if (NarrowTile.WANTED && i + 2 == never) {
        break;
      }
      a = IntVector.broadcast(I, x[g + 2]).reinterpretAsFloats();
      b = PAIRED ? IntVector.broadcast(I, x[g + 6]).reinterpretAsFloats() : a;
      s0 = a.fma(p0.and(0xFF0000).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF0000).convert(VectorOperators.I2F, 0), s1);
      s2 = b.fma(p2.and(0xFF0000).convert(VectorOperators.I2F, 0), s2);
      s3 = b.fma(p3.and(0xFF0000).convert(VectorOperators.I2F, 0), s3);
      if (NarrowTile.WANTED && i + 3 == never) {
        break;
      }
      a = IntVector.broadcast(I, x[g + 3]).reinterpretAsFloats();
      b = PAIRED ? IntVector.broadcast(I, x[g + 7]).reinterpretAsFloats() : a;
      s0 = a.fma(p0.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s1);
      s2 = b.fma(p2.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s2);
      s3 = b.fma(p3.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s3);
      if (i % STEPS == STEPS - 1) {
        if (PAIRED) {
          s0.add(s2).intoArray(whole, 0);
          s1.add(s3).intoArray(whole, N);
        } else {
          s0.intoArray(whole, 0);
          s1.intoArray(whole, N);
          s2.intoArray(whole, 2 * N);
          s3.intoArray(whole, 3 * N);
        }
        long scales = from + STEP - (long) half * (HALF_GROUP / 2);
        finish(whole, 0, xScales[block], w, scales, sums, sumAt + half * 4 * N);
        s0 = IntVector.broadcast(I, begins[(unit + 1) / HALVES]).reinterpretAsFloats();
        s1 = s0;
        s2 = PAIRED ? FloatVector.zero(F) : s0;
        s3 = s2;
      }
    }
    // Wanted nowhere, but without it the compiler puts the ways out before the products.
    if (NarrowTile.WANTED) {
      s0.intoArray(whole, 0);
      s1.intoArray(whole, N);
      s2.intoArray(whole, 2 * N);
      s3.intoArray(whole, 3 * N);
    }
  }

  @Override
  boolean hasRuns() {
    return PAIRED;
  }

  @Override
  void streamRuns(
      int[] x,
      int[] begins,
      float[] xScales,
      int blocks,
      MemorySegment w,
      long at,
      long apart,
      Sums room,
      float[] sums,
      int sumAt,
      int sumApart) {
    float[] whole = room.floats;
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    long at1 = ByAddress.plus(at, apart);
    long at2 = ByAddress.plus(at, 2 * apart);
    long at3 = ByAddress.plus(at, 3 * apart);
    FloatVector s0 = IntVector.broadcast(I, begins[0]).reinterpretAsFloats();
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    FloatVector s4 = s0;
    FloatVector s5 = s0;
    FloatVector s6 = s0;
    FloatVector s7 = s0;
    for (int g = 0; g < blocks * GROUPS; g++) {
      int block = g / GROUPS;
      long group = (long) g * GROUP + (long) block * SCALES;
      IntVector p0 = IntVector.fromMemorySegment(I, ws, at0 + group, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, ws, at0 + group + LANES, LE);
      IntVector p2 = IntVector.fromMemorySegment(I, ws, at1 + group, LE);
      IntVector p3 = IntVector.fromMemorySegment(I, ws, at1 + group + LANES, LE);
      IntVector p4 = IntVector.fromMemorySegment(I, ws, at2 + group, LE);
      IntVector p5 = IntVector.fromMemorySegment(I, ws, at2 + group + LANES, LE);
      IntVector p6 = IntVector.fromMemorySegment(I, ws, at3 + group, LE);
      IntVector p7 = IntVector.fromMemorySegment(I, ws, at3 + group + LANES, LE);
      FloatVector a = IntVector.broadcast(I, x[4 * g]).reinterpretAsFloats();
      s0 = a.fma(p0.and(0xFF).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.and(0xFF).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.and(0xFF).convert(VectorOperators.I2F, 0), s3);
      s4 = a.fma(p4.and(0xFF).convert(VectorOperators.I2F, 0), s4);
      s5 = a.fma(p5.and(0xFF).convert(VectorOperators.I2F, 0), s5);
      s6 = a.fma(p6.and(0xFF).convert(VectorOperators.I2F, 0), s6);
      s7 = a.fma(p7.and(0xFF).convert(VectorOperators.I2F, 0), s7);
      a = IntVector.broadcast(I, x[4 * g + 1]).reinterpretAsFloats();
      s0 = a.fma(p0.and(0xFF00).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF00).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.and(0xFF00).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.and(0xFF00).convert(VectorOperators.I2F, 0), s3);
      s4 = a.fma(p4.and(0xFF00).convert(VectorOperators.I2F, 0), s4);
      s5 = a.fma(p5.and(0xFF00).convert(VectorOperators.I2F, 0), s5);
      s6 = a.fma(p6.and(0xFF00).convert(VectorOperators.I2F, 0), s6);
      s7 = a.fma(p7.and(0xFF00).convert(VectorOperators.I2F, 0), s7);
      a = IntVector.broadcast(I, x[4 * g + 2]).reinterpretAsFloats();
      s0 = a.fma(p0.and(0xFF0000).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.and(0xFF0000).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.and(0xFF0000).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.and(0xFF0000).convert(VectorOperators.I2F, 0), s3);
      s4 = a.fma(p4.and(0xFF0000).convert(VectorOperators.I2F, 0), s4);
      s5 = a.fma(p5.and(0xFF0000).convert(VectorOperators.I2F, 0), s5);
      s6 = a.fma(p6.and(0xFF0000).convert(VectorOperators.I2F, 0), s6);
      s7 = a.fma(p7.and(0xFF0000).convert(VectorOperators.I2F, 0), s7);
      a = IntVector.broadcast(I, x[4 * g + 3]).reinterpretAsFloats();
      s0 = a.fma(p0.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s0);
      s1 = a.fma(p1.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s1);
      s2 = a.fma(p2.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s2);
      s3 = a.fma(p3.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s3);
      s4 = a.fma(p4.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s4);
      s5 = a.fma(p5.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s5);
      s6 = a.fma(p6.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s6);
      s7 = a.fma(p7.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0), s7);
      if (g % GROUPS == GROUPS - 1) {
        s0.intoArray(whole, 0 * N);
        s1.intoArray(whole, 1 * N);
        s2.intoArray(whole, 2 * N);
        s3.intoArray(whole, 3 * N);
        s4.intoArray(whole, 4 * N);
        s5.intoArray(whole, 5 * N);
        s6.intoArray(whole, 6 * N);
        s7.intoArray(whole, 7 * N);
        float scale = xScales[block];
        long scales = group + GROUP;
        finish(whole, 0 * N, scale, w, at0 + scales, sums, sumAt);
        finish(whole, 2 * N, scale, w, at1 + scales, sums, sumAt + sumApart);
        finish(whole, 4 * N, scale, w, at2 + scales, sums, sumAt + 2 * sumApart);
        finish(whole, 6 * N, scale, w, at3 + scales, sums, sumAt + 3 * sumApart);
        s0 = IntVector.broadcast(I, begins[block + 1]).reinterpretAsFloats();
        s1 = s0;
        s2 = s0;
        s3 = s0;
        s4 = s0;
        s5 = s0;
        s6 = s0;
        s7 = s0;
      }
    }
  }

  /**
   * Adds what a block gives. A method of its own, which {@link #stream} and {@link #streamRuns}
   * call: no budget of the compiler's would be enough for both.
   *
   * @param at where its scales are
   */
  private static void finish(
      float[] whole, int wholeAt, float scale, MemorySegment w, long at, float[] sums, int sumAt) {
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    for (int v = 0; v < (PAIRED ? 2 : 4); v++) {
      IntVector h =
          ShortVector.fromMemorySegment(Lanes.S, ws, at0 + v * (LANES / 2), LE)
              .convertShape(VectorOperators.S2I, I, 0)
              .reinterpretAsInts();
      // Exponent and mantissa to f32's places, of the sign's copies the first; see F16Dot.
      IntVector moved = h.lanewise(VectorOperators.LSHL, 13).and(0x8FFFFFFF);
      FloatVector finite = moved.reinterpretAsFloats().mul(0x1p112f);
      FloatVector other = moved.or(0x7F800000).reinterpretAsFloats();
      FloatVector c = finite.blend(other, h.and(0x7C00).eq(0x7C00).cast(F));
      FloatVector t = FloatVector.fromArray(F, sums, sumAt + v * N);
      FloatVector b = FloatVector.fromArray(F, whole, wholeAt + v * N);
      b.mul(scale).fma(c, t).intoArray(sums, sumAt + v * N);
    }
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
      Sums room) {
    float[] whole = room.floats;
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    long at1 = ByAddress.plus(at, w1);
    FloatVector t00 = FloatVector.zero(F);
    FloatVector t01 = FloatVector.zero(F);
    FloatVector t10 = FloatVector.zero(F);
    FloatVector t11 = FloatVector.zero(F);
    FloatVector t20 = FloatVector.zero(F);
    FloatVector t21 = FloatVector.zero(F);
    FloatVector t30 = FloatVector.zero(F);
    FloatVector t31 = FloatVector.zero(F);
    FloatVector s00 = IntVector.broadcast(I, begins[first]).reinterpretAsFloats();
    FloatVector s01 = s00;
    FloatVector s10 = IntVector.broadcast(I, begins[first + 1 * blocks]).reinterpretAsFloats();
    FloatVector s11 = s10;
    FloatVector s20 = IntVector.broadcast(I, begins[first + 2 * blocks]).reinterpretAsFloats();
    FloatVector s21 = s20;
    FloatVector s30 = IntVector.broadcast(I, begins[first + 3 * blocks]).reinterpretAsFloats();
    FloatVector s31 = s30;
    int x0 = first * BLOCK;
    int x1 = x0 + blocks * BLOCK;
    int x2 = x1 + blocks * BLOCK;
    int x3 = x2 + blocks * BLOCK;
    int never = -blocks; // see NarrowTile; here vectors of 512 bits need it as well
    for (int g = 0; g < blocks * GROUPS; g++) {
      long group = (long) g * GROUP + (long) (g / GROUPS) * SCALES;
      IntVector p0 = IntVector.fromMemorySegment(I, ws, at0 + group, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, ws, at1 + group, LE);
      FloatVector n0 = (FloatVector) p0.and(0xFF).convert(VectorOperators.I2F, 0);
      FloatVector n1 = (FloatVector) p1.and(0xFF).convert(VectorOperators.I2F, 0);
      FloatVector a = IntVector.broadcast(I, x[x0 + 4 * g]).reinterpretAsFloats();
      s00 = a.fma(n0, s00);
      s01 = a.fma(n1, s01);
      a = IntVector.broadcast(I, x[x1 + 4 * g]).reinterpretAsFloats();
      s10 = a.fma(n0, s10);
      s11 = a.fma(n1, s11);
      a = IntVector.broadcast(I, x[x2 + 4 * g]).reinterpretAsFloats();
      s20 = a.fma(n0, s20);
      s21 = a.fma(n1, s21);
      a = IntVector.broadcast(I, x[x3 + 4 * g]).reinterpretAsFloats();
      s30 = a.fma(n0, s30);
      s31 = a.fma(n1, s31);
      if (g + 1 == never) {
        break;
      }
      n0 = (FloatVector) p0.and(0xFF00).convert(VectorOperators.I2F, 0);
      n1 = (FloatVector) p1.and(0xFF00).convert(VectorOperators.I2F, 0);
      a = IntVector.broadcast(I, x[x0 + 4 * g + 1]).reinterpretAsFloats();
      s00 = a.fma(n0, s00);
      s01 = a.fma(n1, s01);
      a = IntVector.broadcast(I, x[x1 + 4 * g + 1]).reinterpretAsFloats();
      s10 = a.fma(n0, s10);
      s11 = a.fma(n1, s11);
      a = IntVector.broadcast(I, x[x2 + 4 * g + 1]).reinterpretAsFloats();
      s20 = a.fma(n0, s20);
      s21 = a.fma(n1, s21);
      a = IntVector.broadcast(I, x[x3 + 4 * g + 1]).reinterpretAsFloats();
      s30 = a.fma(n0, s30);
      s31 = a.fma(n1, s31);
      if (g + 2 == never) {
        break;
      }
      n0 = (FloatVector) p0.and(0xFF0000).convert(VectorOperators.I2F, 0);
      n1 = (FloatVector) p1.and(0xFF0000).convert(VectorOperators.I2F, 0);
      a = IntVector.broadcast(I, x[x0 + 4 * g + 2]).reinterpretAsFloats();
      s00 = a.fma(n0, s00);
      s01 = a.fma(n1, s01);
      a = IntVector.broadcast(I, x[x1 + 4 * g + 2]).reinterpretAsFloats();
      s10 = a.fma(n0, s10);
      s11 = a.fma(n1, s11);
      a = IntVector.broadcast(I, x[x2 + 4 * g + 2]).reinterpretAsFloats();
      s20 = a.fma(n0, s20);
      s21 = a.fma(n1, s21);
      a = IntVector.broadcast(I, x[x3 + 4 * g + 2]).reinterpretAsFloats();
      s30 = a.fma(n0, s30);
      s31 = a.fma(n1, s31);
      if (g + 3 == never) {
        break;
      }
      n0 = (FloatVector) p0.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0);
      n1 = (FloatVector) p1.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0);
      a = IntVector.broadcast(I, x[x0 + 4 * g + 3]).reinterpretAsFloats();
      s00 = a.fma(n0, s00);
      s01 = a.fma(n1, s01);
      a = IntVector.broadcast(I, x[x1 + 4 * g + 3]).reinterpretAsFloats();
      s10 = a.fma(n0, s10);
      s11 = a.fma(n1, s11);
      a = IntVector.broadcast(I, x[x2 + 4 * g + 3]).reinterpretAsFloats();
      s20 = a.fma(n0, s20);
      s21 = a.fma(n1, s21);
      a = IntVector.broadcast(I, x[x3 + 4 * g + 3]).reinterpretAsFloats();
      s30 = a.fma(n0, s30);
      s31 = a.fma(n1, s31);
      if (g % GROUPS == GROUPS - 1) {
        int block = g / GROUPS;
        int b = first + block;
        long of = scalesAt + block * 4L * VectorPanels.OUTPUTS;
        FloatVector c0 = FloatVector.fromMemorySegment(F, scales, of, LE);
        FloatVector c1 = FloatVector.fromMemorySegment(F, scales, of + 4L * N, LE);
        t00 = s00.mul(xScales[b + 0 * blocks]).fma(c0, t00);
        t01 = s01.mul(xScales[b + 0 * blocks]).fma(c1, t01);
        t10 = s10.mul(xScales[b + 1 * blocks]).fma(c0, t10);
        t11 = s11.mul(xScales[b + 1 * blocks]).fma(c1, t11);
        t20 = s20.mul(xScales[b + 2 * blocks]).fma(c0, t20);
        t21 = s21.mul(xScales[b + 2 * blocks]).fma(c1, t21);
        t30 = s30.mul(xScales[b + 3 * blocks]).fma(c0, t30);
        t31 = s31.mul(xScales[b + 3 * blocks]).fma(c1, t31);
        s00 = IntVector.broadcast(I, begins[b + 1]).reinterpretAsFloats();
        s01 = s00;
        s10 = IntVector.broadcast(I, begins[b + 1 + 1 * blocks]).reinterpretAsFloats();
        s11 = s10;
        s20 = IntVector.broadcast(I, begins[b + 1 + 2 * blocks]).reinterpretAsFloats();
        s21 = s20;
        s30 = IntVector.broadcast(I, begins[b + 1 + 3 * blocks]).reinterpretAsFloats();
        s31 = s30;
      }
    }
    // Wanted nowhere, but without it the compiler puts the ways out before the products.
    s00.intoArray(whole, 0 * N);
    s01.intoArray(whole, 1 * N);
    s10.intoArray(whole, 2 * N);
    s11.intoArray(whole, 3 * N);
    s20.intoArray(whole, 4 * N);
    s21.intoArray(whole, 5 * N);
    s30.intoArray(whole, 6 * N);
    s31.intoArray(whole, 7 * N);
    t00.intoArray(sums, sumAt);
    t01.intoArray(sums, sumAt + N);
    t10.intoArray(sums, sumAt + sumStride);
    t11.intoArray(sums, sumAt + sumStride + N);
    t20.intoArray(sums, sumAt + 2 * sumStride);
    t21.intoArray(sums, sumAt + 2 * sumStride + N);
    t30.intoArray(sums, sumAt + 3 * sumStride);
    t31.intoArray(sums, sumAt + 3 * sumStride + N);
  }
}
