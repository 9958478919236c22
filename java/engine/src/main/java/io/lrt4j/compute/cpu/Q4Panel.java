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
import jdk.incubator.vector.VectorSpecies;

/**
 * Four bits, eight elements of a block to a lane. They are multiplied as shorts: the even ones of a
 * vector sum one half of a block's products, the odd ones the other. All 32 add up to at most 32 *
 * 8 * 127, which a short holds; on the way sums may wrap round, which does no harm.
 *
 * <p>So nothing is masked: lanes are shifted by no, one, two and three elements, with what is above
 * them, and activations make up for that. Where a = a0, a1 … belong to elements n0, n1 … of a
 * short, n0 a0 + n1 a1 + … is (n0 + 16 n1 + …) a0 + (n1 + 16 n2 + …) (a1 - 16 a0) + …
 */
final class Q4Panel extends PanelKernel {
  private static final int GROUPS = 4; // of a block
  private static final VectorSpecies<Short> S = ShortVector.SPECIES_PREFERRED;
  private static final int STEPS = PAIRED ? GROUPS / 2 : GROUPS; // of a block
  private static final int M = 2 * N; // shorts of a vector
  private static final int HALF = 16;
  private static final int TOO_MUCH = 8; // that weights are stored higher than they are
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
      int c = i + HALF;
      // What the nibbles of a lane are to be multiplied by, the lowest first.
      int a0 = bytes[i];
      int a1 = bytes[c];
      int a2 = bytes[i + 1];
      int a3 = bytes[c + 1];
      // An even short has those above as well, and so does the odd one, which makes up for both.
      int e1 = a1 - 16 * a0;
      int e2 = a2 - 16 * a1;
      int e3 = a3 - 16 * a2;
      int b0 = bytes[i + 2] - (e1 << 12) - (e2 << 8) - (e3 << 4);
      int b1 = bytes[c + 2] - (e2 << 12) - (e3 << 8);
      int b2 = bytes[i + 3] - (e3 << 12);
      int b3 = bytes[c + 3];
      values[to] = pair(a0, b0);
      values[to + 1] = pair(e1, b1 - 16 * b0);
      values[to + 2] = pair(e2, b2 - 16 * b1);
      values[to + 3] = pair(e3, b3 - 16 * b2);
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
      float[] xScales,
      int blocks,
      MemorySegment w,
      long at,
      Sums room,
      float[] sums,
      int sumAt) {
    short[] whole = room.shorts;
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    ShortVector s0 = IntVector.broadcast(I, begins[0]).reinterpretAsShorts();
    ShortVector s1 = s0;
    ShortVector s2 = PAIRED ? ShortVector.zero(S) : s0;
    ShortVector s3 = s2;
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
      ShortVector a = IntVector.broadcast(I, x[g]).reinterpretAsShorts();
      ShortVector b = PAIRED ? IntVector.broadcast(I, x[g + 4]).reinterpretAsShorts() : a;
      s0 = s0.add(p0.reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.reinterpretAsShorts().mul(b));
      s3 = s3.add(p3.reinterpretAsShorts().mul(b));
      a = IntVector.broadcast(I, x[g + 1]).reinterpretAsShorts();
      b = PAIRED ? IntVector.broadcast(I, x[g + 5]).reinterpretAsShorts() : a;
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 4).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 4).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 4).reinterpretAsShorts().mul(b));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 4).reinterpretAsShorts().mul(b));
      a = IntVector.broadcast(I, x[g + 2]).reinterpretAsShorts();
      b = PAIRED ? IntVector.broadcast(I, x[g + 6]).reinterpretAsShorts() : a;
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 8).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 8).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 8).reinterpretAsShorts().mul(b));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 8).reinterpretAsShorts().mul(b));
      a = IntVector.broadcast(I, x[g + 3]).reinterpretAsShorts();
      b = PAIRED ? IntVector.broadcast(I, x[g + 7]).reinterpretAsShorts() : a;
      s0 = s0.add(p0.lanewise(VectorOperators.LSHR, 12).reinterpretAsShorts().mul(a));
      s1 = s1.add(p1.lanewise(VectorOperators.LSHR, 12).reinterpretAsShorts().mul(a));
      s2 = s2.add(p2.lanewise(VectorOperators.LSHR, 12).reinterpretAsShorts().mul(b));
      s3 = s3.add(p3.lanewise(VectorOperators.LSHR, 12).reinterpretAsShorts().mul(b));
      if (i % STEPS == STEPS - 1) {
        if (PAIRED) {
          s0.add(s2).intoArray(whole, 0);
          s1.add(s3).intoArray(whole, M);
        } else {
          s0.intoArray(whole, 0);
          s1.intoArray(whole, M);
          s2.intoArray(whole, 2 * M);
          s3.intoArray(whole, 3 * M);
        }
        long scales = from + STEP - (long) half * (HALF_GROUP / 2);
        finish(whole, xScales[block], w, scales, sums, sumAt + half * 4 * N);
        s0 = IntVector.broadcast(I, begins[(unit + 1) / HALVES]).reinterpretAsShorts();
        s1 = s0;
        s2 = PAIRED ? ShortVector.zero(S) : s0;
        s3 = s2;
      }
    }
  }

  /**
   * Adds what a block gives. A method of its own, which {@link #stream} calls: no budget of the
   * compiler's would be enough for both.
   *
   * @param at where its scales are
   */
  private static void finish(
      short[] whole, float scale, MemorySegment w, long at, float[] sums, int sumAt) {
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
      IntVector i = ShortVector.fromArray(S, whole, v * M).reinterpretAsInts();
      // The sum of two neighbours is in the upper half of i + (i << 16).
      i = i.lanewise(VectorOperators.LSHL, 16).add(i).lanewise(VectorOperators.ASHR, 16);
      FloatVector b = (FloatVector) i.convert(VectorOperators.I2F, 0);
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
    short[] whole = room.shorts;
    MemorySegment ws = ByAddress.memory(w);
    long at0 = ByAddress.plus(at, 0);
    long at1 = ByAddress.plus(at, w1);
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
    int never = -blocks; // see NarrowTile; here vectors of 512 bits need it as well
    for (int g = 0; g < blocks * GROUPS; g++) {
      long group = (long) g * GROUP + (long) (g / GROUPS) * SCALES;
      IntVector p0 = IntVector.fromMemorySegment(I, ws, at0 + group, LE);
      IntVector p1 = IntVector.fromMemorySegment(I, ws, at1 + group, LE);
      ShortVector n0 = p0.reinterpretAsShorts();
      ShortVector n1 = p1.reinterpretAsShorts();
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
      if (g + 1 == never) {
        break;
      }
      n0 = p0.lanewise(VectorOperators.LSHR, 4).reinterpretAsShorts();
      n1 = p1.lanewise(VectorOperators.LSHR, 4).reinterpretAsShorts();
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
      if (g + 2 == never) {
        break;
      }
      n0 = p0.lanewise(VectorOperators.LSHR, 8).reinterpretAsShorts();
      n1 = p1.lanewise(VectorOperators.LSHR, 8).reinterpretAsShorts();
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
      if (g + 3 == never) {
        break;
      }
      n0 = p0.lanewise(VectorOperators.LSHR, 12).reinterpretAsShorts();
      n1 = p1.lanewise(VectorOperators.LSHR, 12).reinterpretAsShorts();
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
        int to = block * 8 * M;
        s00.intoArray(whole, to + 0 * M);
        s01.intoArray(whole, to + 1 * M);
        s10.intoArray(whole, to + 2 * M);
        s11.intoArray(whole, to + 3 * M);
        s20.intoArray(whole, to + 4 * M);
        s21.intoArray(whole, to + 5 * M);
        s30.intoArray(whole, to + 6 * M);
        s31.intoArray(whole, to + 7 * M);
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
    // Wanted nowhere, but without it the compiler puts the ways out before the products.
    int to = blocks * 8 * M;
    s00.intoArray(whole, to + 0 * M);
    s01.intoArray(whole, to + 1 * M);
    s10.intoArray(whole, to + 2 * M);
    s11.intoArray(whole, to + 3 * M);
    s20.intoArray(whole, to + 4 * M);
    s21.intoArray(whole, to + 5 * M);
    s30.intoArray(whole, to + 6 * M);
    s31.intoArray(whole, to + 7 * M);
    for (int i = 0; i < 8; i++) {
      int b = first + i / 2 * blocks;
      long of = scalesAt + i % 2 * 4L * N;
      finishTile(
          whole,
          i * M,
          xScales,
          b,
          blocks,
          scales,
          of,
          sums,
          sumAt + i / 2 * sumStride + i % 2 * N);
    }
  }

  /** The product of a row and a vector of outputs: its blocks are eight vectors apart. */
  private static void finishTile(
      short[] room,
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
      IntVector i = ShortVector.fromArray(S, room, at + block * 8 * M).reinterpretAsInts();
      i = i.lanewise(VectorOperators.LSHL, 16).add(i).lanewise(VectorOperators.ASHR, 16); // finish
      FloatVector v = (FloatVector) i.convert(VectorOperators.I2F, 0);
      FloatVector scale =
          FloatVector.fromMemorySegment(
              F, scales, scalesAt + block * 4L * VectorPanels.OUTPUTS, LE);
      t = v.mul(xScales[first + block]).fma(scale, t);
    }
    t.intoArray(sums, sumAt);
  }
}
