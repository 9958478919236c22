package io.lrt4j.training;

import java.nio.file.Path;
import java.util.SequencedMap;

/** What a {@link TrainingRun} trains. */
interface Task {
  /** All state that a checkpoint has to hold, with that of the optimiser. */
  Parameters parameters();

  Optimizer optimizer();

  /**
   * One step: gradients and updates. A pure function of parameters, optimiser and step number, so
   * that a resumed run is the same as one without a break.
   *
   * @return what there is to report, under TRL's names; {@code loss} and {@code num_tokens} at
   *     least
   * @throws TrainingException if something is not a finite number
   */
  SequencedMap<String, Double> step(int step, double learningRate);

  /** Figures on held-out problems. */
  SequencedMap<String, Double> evaluate();

  /** The figure by which the best is known; a loss should be small, all else large. */
  String bestBy();

  /** Writes what is trained as an ordinary checkpoint. */
  void save(Path directory);
}
