package io.lrt4j.decode;

/**
 * How likely a token is relative to the best one, exp(x) with x the distance of their scores, as a
 * whole number: sums of them are exact, whatever their order. It is made of multiplications and
 * additions alone, which every processor rounds alike (kernels/sample.cu does the same), and off by
 * 3 · 10⁻¹⁴ of itself at most before it is rounded. Whole numbers are kept as doubles, so that the
 * compiler can make vectors of them.
 */
final class Mass {
  /** Most that a block may have, for its sum to be exact as a double. */
  static final int BLOCK = 128;

  private static final double LEAST = -32; // rounds to nothing
  private static final double WHOLE = 0x1.8p52; // added and subtracted, it leaves a whole number

  private Mass() {}

  /** The best one's mass: {@code n} of them fit into a long. */
  static double unit(int n) {
    return n <= 1 << 19 ? 0x1p43 : 0x1p38; // of 2^24 at most
  }

  /** exp(x) in units of {@code unit}, for x ≤ 0: (exp(x / 256))²⁵⁶, by its Taylor series. */
  static double of(double x, double unit) {
    double y = Math.max(x, LEAST) * 0x1p-8;
    double p = 1.0 / 362_880;
    p = p * y + 1.0 / 40_320;
    p = p * y + 1.0 / 5040;
    p = p * y + 1.0 / 720;
    p = p * y + 1.0 / 120;
    p = p * y + 1.0 / 24;
    p = p * y + 1.0 / 6;
    p = p * y + 0.5;
    p = p * y + 1;
    p = p * y + 1;
    p *= p;
    p *= p;
    p *= p;
    p *= p;
    p *= p;
    p *= p;
    p *= p;
    p *= p;
    return p * unit + WHOLE - WHOLE;
  }

  /** Those of scores from … to-1. */
  static void fill(float[] scores, int from, int to, float largest, double unit, double[] masses) {
    for (int i = from; i < to; i++) { // becomes vectors: nothing else may be in it
      masses[i] = of((double) scores[i] - largest, unit);
    }
  }

  /** The sum of those from … to-1, at most a {@link #BLOCK}. */
  static long sum(double[] masses, int from, int to) {
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    int i = from;
    for (; i + 3 < to; i += 4) { // additions that need not wait for each other
      a += masses[i];
      b += masses[i + 1];
      c += masses[i + 2];
      d += masses[i + 3];
    }
    for (; i < to; i++) {
      a += masses[i];
    }
    return (long) (a + b + c + d);
  }
}
