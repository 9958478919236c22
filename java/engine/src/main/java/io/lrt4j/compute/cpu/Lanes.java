package io.lrt4j.compute.cpu;

import io.lrt4j.compute.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.function.IntPredicate;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vector idioms with one fixed order of rounding, compiled or interpreted: the library's own sums
 * across lanes and its exp may give other last bits once the compiler replaces them, and then the
 * same seed would not give the same tokens.
 */
final class Lanes {
  static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(F.vectorBitSize() / 2));
  private static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(F.vectorBitSize() / 4, 64)));
  static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  static final int N = F.length();

  private static final VectorShuffle<Float> BY_8 = rotation(8);
  private static final VectorShuffle<Float> BY_4 = rotation(4);
  private static final VectorShuffle<Float> BY_2 = rotation(2);
  private static final VectorShuffle<Float> BY_1 = rotation(1);

  private static final VectorShuffle<Float> BY_HALF = rotation(N / 2);
  private static final VectorShuffle<Float> BY_QUARTER = rotation(N / 4);
  private static final VectorShuffle<Float> BACK_QUARTER = rotation(N - N / 4);
  private static final VectorMask<Float> SECOND_HALF = where(i -> i >= N / 2);
  private static final VectorMask<Float> ODD_QUARTERS = where(i -> i / (N / 4) % 2 == 1);

  // exp(x) = 2^k * exp(r), r in [-ln2/2, ln2/2]: Cody and Waite's two-part ln 2, then a polynomial
  // (Cephes expf coefficients).
  private static final float LOG2_E = 1.442695f;
  private static final float LN2_HIGH = 0.6933594f;
  private static final float LN2_LOW = -0.00021219444f;
  private static final float SMALLEST = -87.33654f; // below it the result is taken as 0
  private static final float LARGEST = 88.02f;
  private static final float MAGIC = 12582912f; // 1.5 * 2^23: adding it rounds to an integer
  private static final float C0 = 0.00019875691f;
  private static final float C1 = 0.0013981999f;
  private static final float C2 = 0.008333452f;
  private static final float C3 = 0.041665796f;
  private static final float C4 = 0.16666666f;
  private static final float C5 = 0.5f;

  private Lanes() {}

  private static VectorShuffle<Float> rotation(int by) {
    return VectorShuffle.fromOp(F, i -> (i + by) % F.length());
  }

  private static VectorMask<Float> where(IntPredicate lanes) {
    boolean[] mask = new boolean[N];
    for (int i = 0; i < N; i++) {
      mask[i] = lanes.test(i);
    }
    return VectorMask.fromArray(F, mask, 0);
  }

  /** n f16 numbers from byte {@code at} on as f32, exactly: infinities and NaN as well. */
  static void widenHalves(MemorySegment halves, long at, int n, MemorySegment to) {
    int body = n / N * N;
    for (int i = 0; i < body; i += N) {
      halves(halves, at + i * 2L).intoMemorySegment(to, i * 4L, LE);
    }
    for (int i = body; i < n; i++) {
      to.set(CpuTensor.FLOAT, i * 4L, CpuTensor.load(DType.F16, halves, at + i * 2L));
    }
  }

  /** n q8 numbers, whole blocks, from byte {@code at} on as f32, exactly. */
  static void widenBytes(MemorySegment blocks, long at, int n, MemorySegment to) {
    int size = DType.Q8.blockElements();
    for (int i = 0; i < n; i += size) {
      long block = at + DType.Q8.bytes(i);
      float scale = CpuTensor.load(DType.F16, blocks, block);
      for (int j = 0; j < size; j += B.length()) {
        ByteVector some = ByteVector.fromMemorySegment(B, blocks, block + Short.BYTES + j, LE);
        for (int part = 0; part < B.length() / N; part++) {
          some.convertShape(VectorOperators.B2F, F, part)
              .reinterpretAsFloats()
              .mul(scale)
              .intoMemorySegment(to, (i + j + part * N) * 4L, LE);
        }
      }
    }
  }

  /** N f16 numbers from byte {@code at} on as f32, exactly. */
  static FloatVector halves(MemorySegment halves, long at) {
    IntVector bits =
        ShortVector.fromMemorySegment(S, halves, at, LE)
            .convertShape(VectorOperators.S2I, I, 0)
            .reinterpretAsInts();
    // Exponent and mantissa to f32's places, of the sign's copies the first; see F16Dot.
    IntVector moved = bits.lanewise(VectorOperators.LSHL, 13).and(0x8FFFFFFF);
    IntVector finite = moved.reinterpretAsFloats().mul(0x1p112f).reinterpretAsInts();
    VectorMask<Integer> others = bits.and(0x7C00).eq(0x7C00);
    return finite.lanewise(VectorOperators.OR, 0x7F800000, others).reinterpretAsFloats();
  }

  /** Sum of all lanes, pairwise. */
  static float sum(FloatVector v) {
    FloatVector s = v;
    if (N >= 16) {
      s = s.add(s.rearrange(BY_8));
    }
    if (N >= 8) {
      s = s.add(s.rearrange(BY_4));
    }
    if (N >= 4) {
      s = s.add(s.rearrange(BY_2));
    }
    return s.add(s.rearrange(BY_1)).lane(0);
  }

  /**
   * Sums of four times N numbers from {@code at} on into {@code sums}, from {@code to} on, {@code
   * step} apart: the additions of {@link #sum(FloatVector)}, done for all four at once from the
   * point on where one sum needs half a vector only.
   *
   * <p>Written out at a length (over 325 bytes of code) that the compiler does not inline into its
   * callers: there it would run out of its budget half-way, and from then on make an object of
   * every vector.
   */
  static void sum4(float[] lanes, int at, float[] sums, int to, int step) {
    FloatVector a = FloatVector.fromArray(F, lanes, at);
    FloatVector b = FloatVector.fromArray(F, lanes, at + N);
    FloatVector c = FloatVector.fromArray(F, lanes, at + 2 * N);
    FloatVector d = FloatVector.fromArray(F, lanes, at + 3 * N);
    a = a.add(a.rearrange(BY_HALF));
    b = b.add(b.rearrange(BY_HALF));
    c = c.add(c.rearrange(BY_HALF));
    d = d.add(d.rearrange(BY_HALF));
    FloatVector ab = a.blend(b, SECOND_HALF);
    FloatVector cd = c.blend(d, SECOND_HALF);
    ab = ab.add(ab.rearrange(BY_QUARTER));
    cd = cd.add(cd.rearrange(BY_QUARTER));
    FloatVector s = ab.blend(cd.rearrange(BACK_QUARTER), ODD_QUARTERS);
    if (N >= 16) {
      s = s.add(s.rearrange(BY_2));
    }
    if (N >= 8) {
      s = s.add(s.rearrange(BY_1));
    }
    s.intoArray(lanes, at);
    int second = at + N / 2;
    int third = at + N / 4;
    int fourth = at + N / 4 * 3;
    int last = to + 3 * step;
    if (last >= sums.length || fourth >= lanes.length) {
      throw new IndexOutOfBoundsException("sums " + to + " of " + sums.length);
    }
    sums[to] = lanes[at];
    sums[to + step] = lanes[second];
    sums[to + 2 * step] = lanes[third];
    sums[last] = lanes[fourth];
  }

  /**
   * e^x for x up to 88 (a larger one is taken as 88); 0 below -87.3; NaN for NaN. Relative error
   * below 2e-7.
   */
  static FloatVector exp(FloatVector x) {
    FloatVector clamped = x.max(SMALLEST).min(LARGEST);
    FloatVector shifted = clamped.mul(LOG2_E).add(MAGIC);
    FloatVector k = shifted.sub(MAGIC);
    FloatVector r = k.fma(broadcast(-LN2_HIGH), clamped);
    r = k.fma(broadcast(-LN2_LOW), r);
    FloatVector p = r.fma(broadcast(C0), broadcast(C1));
    p = p.fma(r, broadcast(C2));
    p = p.fma(r, broadcast(C3));
    p = p.fma(r, broadcast(C4));
    p = p.fma(r, broadcast(C5));
    p = p.fma(r.mul(r), r).add(1f);
    // k sits in the low bits of "shifted"; moved to the exponent's place it multiplies by 2^k.
    IntVector scale = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    FloatVector result = p.reinterpretAsInts().add(scale).reinterpretAsFloats();
    return result.blend(0f, x.lt(SMALLEST)).blend(x, x.test(VectorOperators.IS_NAN));
  }

  private static FloatVector broadcast(float value) {
    return FloatVector.broadcast(F, value);
  }

  /** The same function of one number, bit for bit. */
  static float exp(float x) {
    float clamped = Math.min(Math.max(x, SMALLEST), LARGEST);
    float shifted = clamped * LOG2_E + MAGIC;
    float k = shifted - MAGIC;
    float r = Math.fma(k, -LN2_HIGH, clamped);
    r = Math.fma(k, -LN2_LOW, r);
    float p = Math.fma(r, C0, C1);
    p = Math.fma(p, r, C2);
    p = Math.fma(p, r, C3);
    p = Math.fma(p, r, C4);
    p = Math.fma(p, r, C5);
    p = Math.fma(p, r * r, r) + 1f;
    float result =
        Float.intBitsToFloat(Float.floatToRawIntBits(p) + (Float.floatToRawIntBits(shifted) << 23));
    return x < SMALLEST ? 0f : Float.isNaN(x) ? x : result;
  }
}
