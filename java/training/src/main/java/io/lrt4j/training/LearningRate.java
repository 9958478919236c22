package io.lrt4j.training;

/**
 * Linear warm-up from peak / warmup, flat for a while, then half a cosine (Loshchilov and Hutter,
 * 2017) down to a part of the peak.
 *
 * @param peak highest rate
 * @param warmup steps until it is reached
 * @param steps of the whole run
 * @param floor part of the peak that is left at the end; 0 to 1
 * @param hold part of the run that is over, warm-up included, before the rate falls; 0 to 1
 */
public record LearningRate(double peak, int warmup, int steps, double floor, double hold) {
  public LearningRate {
    if (!(peak > 0 && peak < Double.MAX_VALUE)
        || warmup < 0
        || steps < 1
        || !(floor >= 0 && floor <= 1)
        || !(hold >= 0 && hold <= 1)) {
      throw new IllegalArgumentException(
          "expected a positive rate, a warm-up of 0 or more of at least one step and a floor and"
              + " a hold of 0 to 1, found "
              + peak
              + ", "
              + warmup
              + ", "
              + steps
              + ", "
              + floor
              + ", "
              + hold);
    }
  }

  /** The rate of a step, from 0. */
  public double at(int step) {
    if (step < warmup) {
      return peak * (step + 1) / warmup;
    }
    double flat = Math.max(warmup, hold * steps);
    double done = Math.clamp((step - flat) / Math.max(1, steps - flat), 0, 1);
    return peak * (floor + (1 - floor) * (1 + Math.cos(Math.PI * done)) / 2);
  }
}
