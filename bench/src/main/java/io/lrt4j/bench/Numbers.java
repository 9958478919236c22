package io.lrt4j.bench;

import java.util.Collection;
import java.util.Random;

/** Inputs, and what to make of results. */
final class Numbers {
  private Numbers() {}

  /** Normally distributed numbers, the same ones every time. */
  static float[] normal(int n, double std) {
    Random random = new Random(1);
    float[] numbers = new float[n];
    for (int i = 0; i < n; i++) {
      numbers[i] = (float) (random.nextGaussian() * std);
    }
    return numbers;
  }

  /** Token ids that have nothing in common with each other, the same ones every time. */
  static int[] ids(int n, int vocabSize) {
    return new Random(1).ints(n, 0, vocabSize).toArray();
  }

  static double median(Collection<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    int n = sorted.length;
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  }
}
