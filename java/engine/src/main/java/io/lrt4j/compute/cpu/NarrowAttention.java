package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * Attention of one row to a block of positions, for vectors of 256 bits (see {@link NarrowTile}):
 * all positions in one loop, as what the compiler checks before a loop takes longer than the keys
 * of four positions. Sums have the order of {@link F32Dot}.
 */
final class NarrowAttention {
  private static final int KEYS = 4; // at once
  private static final int VECTORS = 8; // of values, likewise
  private static final long ROW = 4L * N; // bytes of a vector

  /** Elements of a value that {@link #mix} takes. */
  static final int MIXED = VECTORS * N;

  private NarrowAttention() {}

  /**
   * The inner products of a query and keys p, p + run, p + 2 run, p + 3 run: of p from 0 to run - 1
   * each in N lanes, four times N for a p.
   *
   * @param q the query, from element qAt on
   * @param dim elements of it, whole vectors
   * @param k keys, f32, from byte {@code at} on
   */
  static void scores(
      float[] q, int qAt, int dim, MemorySegment k, long at, int run, float[] lanes) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    long apart = 4L * run * dim;
    int steps = run * (dim / N);
    int c = 0;
    int to = 0;
    for (int step = 0; step < steps; step++) {
      long key = at + step * ROW;
      FloatVector a = FloatVector.fromArray(F, q, qAt + c);
      s0 = a.fma(load(k, key), s0);
      s1 = a.fma(load(k, key + apart), s1);
      s2 = a.fma(load(k, key + 2 * apart), s2);
      s3 = a.fma(load(k, key + 3 * apart), s3);
      c += N;
      if (c == dim) {
        s0.intoArray(lanes, to);
        s1.intoArray(lanes, to + N);
        s2.intoArray(lanes, to + 2 * N);
        s3.intoArray(lanes, to + 3 * N);
        s0 = FloatVector.zero(F);
        s1 = s0;
        s2 = s0;
        s3 = s0;
        c = 0;
        to += KEYS * N;
      }
    }
  }

  /**
   * out[c] += Σ weights[p] v_p[c], for {@link #MIXED} elements and n positions.
   *
   * @param v values, f32, those elements of the first from byte {@code at} on, stride bytes from
   *     one position to the next
   * @param sum byte of {@code out} at which they are
   */
  static void mix(
      float[] weights,
      int first,
      int n,
      MemorySegment v,
      long at,
      long stride,
      MemorySegment out,
      long sum) {
    FloatVector m0 = load(out, sum);
    FloatVector m1 = load(out, sum + ROW);
    FloatVector m2 = load(out, sum + 2 * ROW);
    FloatVector m3 = load(out, sum + 3 * ROW);
    FloatVector m4 = load(out, sum + 4 * ROW);
    FloatVector m5 = load(out, sum + 5 * ROW);
    FloatVector m6 = load(out, sum + 6 * ROW);
    FloatVector m7 = load(out, sum + 7 * ROW);
    for (int p = 0; p < n; p++) {
      FloatVector by = FloatVector.broadcast(F, weights[first + p]);
      long value = at + p * stride;
      m0 = by.fma(load(v, value), m0);
      m1 = by.fma(load(v, value + ROW), m1);
      m2 = by.fma(load(v, value + 2 * ROW), m2);
      m3 = by.fma(load(v, value + 3 * ROW), m3);
      m4 = by.fma(load(v, value + 4 * ROW), m4);
      m5 = by.fma(load(v, value + 5 * ROW), m5);
      m6 = by.fma(load(v, value + 6 * ROW), m6);
      m7 = by.fma(load(v, value + 7 * ROW), m7);
    }
    m0.intoMemorySegment(out, sum, LE);
    m1.intoMemorySegment(out, sum + ROW, LE);
    m2.intoMemorySegment(out, sum + 2 * ROW, LE);
    m3.intoMemorySegment(out, sum + 3 * ROW, LE);
    m4.intoMemorySegment(out, sum + 4 * ROW, LE);
    m5.intoMemorySegment(out, sum + 5 * ROW, LE);
    m6.intoMemorySegment(out, sum + 6 * ROW, LE);
    m7.intoMemorySegment(out, sum + 7 * ROW, LE);
  }

  private static FloatVector load(MemorySegment data, long at) {
    return FloatVector.fromMemorySegment(F, data, at, LE);
  }
}
