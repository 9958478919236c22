package io.lrt4j.bench;

import java.util.Random;

/** Inputs. */
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
}
