package io.lrt4j.training;

/**
 * Linear warm-up from peak / warmup, then half a cosine (Loshchilov and Hutter, 2017) down to a
 * part of the peak.
 *
 * @param peak highest rate
 * @param warmup steps until it is reached
 * @param steps of the whole run
 * @param floor part of the peak that is left at the end; 0 to 1
 */
public record LearningRate(double peak, int warmup, int steps, double floor) {
  public LearningRate {
    if (!(peak > 0 && peak < Double.MAX_VALUE)
        || warmup < 0
        || steps < 1
        || !(floor >= 0 && floor <= 1)) {
      throw new IllegalArgumentException(
          "expected a positive rate, a warm-up of 0 or more of at least one step and a floor of 0"
              + " to 1, found "
              + peak
              + ", "
              + warmup
              + ", "
              + steps
              + ", "
              + floor);
    }
  }

  /** The rate of a step, from 0. */
  public double at(int step) {
    if (step < warmup) {
      return peak * (step + 1) / warmup;
    }
    double done = Math.min(1, (double) (step - warmup) / Math.max(1, steps - warmup));
    return peak * (floor + (1 - floor) * (1 + Math.cos(Math.PI * done)) / 2);
  }
}
