package io.lrt4j.evaluation;

import java.util.Arrays;
import java.util.SplittableRandom;

/** The figures that results are summed up in. */
public final class Statistics {
  private static final int RESAMPLES = 10_000;
  private static final double Z = 1.959963984540054; // 95 %

  private Statistics() {}

  /**
   * An estimate with its 95 % interval.
   *
   * @param value the estimate
   * @param low lower end
   * @param high upper end
   */
  public record Interval(double value, double low, double high) {}

  /**
   * pass@k, without bias: the probability that at least one of k answers, drawn from n without
   * replacement, is right, 1 - C(n-c, k) / C(n, k) (Chen et al., 2021).
   *
   * @param n answers
   * @param c of them right
   */
  public static double passAt(int n, int c, int k) {
    if (k < 1 || k > n || c < 0 || c > n) {
      throw new IllegalArgumentException("pass@" + k + " of " + c + " right in " + n);
    }
    double none = 1;
    for (int i = 0; i < k; i++) {
      none *= Math.max(0, (double) (n - c - i) / (n - i));
    }
    return 1 - none;
  }

  /** The interval of a proportion (Wilson, 1927), of {@code n} independent questions. */
  public static Interval proportion(double p, int n) {
    double centre = p + Z * Z / (2 * n);
    double spread = Z * Math.sqrt(p * (1 - p) / n + Z * Z / (4.0 * n * n));
    double scale = 1 + Z * Z / n;
    return new Interval(
        p, Math.max(0, (centre - spread) / scale), Math.min(1, (centre + spread) / scale));
  }

  /**
   * The interval of a correlation or cosine, even in Fisher's z = artanh(r), where its standard
   * error is that of r over 1 - r².
   *
   * @param r -1 to 1; at its ends the interval is the point
   * @param error standard error of r
   */
  public static Interval correlation(double r, double error) {
    double z = Math.abs(r) < 1 ? 0.5 * Math.log((1 + r) / (1 - r)) : 0;
    double spread = Z * error / (1 - r * r);
    return Math.abs(r) < 1 && Double.isFinite(spread)
        ? new Interval(r, Math.tanh(z - spread), Math.tanh(z + spread))
        : new Interval(r, r, r);
  }

  /** The mean of differences, with its bootstrap interval; the same for the same seed. */
  public static Interval bootstrap(double[] differences, long seed) {
    var random = new SplittableRandom(seed);
    double[] means = new double[RESAMPLES];
    for (int r = 0; r < RESAMPLES; r++) {
      double sum = 0;
      for (int i = 0; i < differences.length; i++) {
        sum += differences[random.nextInt(differences.length)];
      }
      means[r] = sum / differences.length;
    }
    Arrays.sort(means);
    double mean = Arrays.stream(differences).average().orElse(Double.NaN);
    return new Interval(mean, means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]);
  }

  /** Sample standard deviation; NaN of fewer than two. */
  public static double deviation(double[] values) {
    double mean = Arrays.stream(values).average().orElse(Double.NaN);
    double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
    return values.length < 2 ? Double.NaN : Math.sqrt(squares / (values.length - 1));
  }
}
