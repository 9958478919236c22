package io.lrt4j.training;

import java.util.SequencedMap;

/** Told how a run goes. */
@FunctionalInterface
public interface Progress {
  /**
   * After a step.
   *
   * @param step how many are done
   * @param steps how many there will be
   * @param metrics of this step, with those of an evaluation if there was one
   * @param secondsLeft what the rest will take at this pace
   */
  void onStep(int step, int steps, SequencedMap<String, Double> metrics, double secondsLeft);
}
