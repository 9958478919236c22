package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.TrainingBackend;

/** Updates parameters from their gradients, clipped to a global norm, by AdamW. */
public final class Optimizer {
  /** As PyTorch's {@code clip_grad_norm_} has it. */
  private static final double NORM_EPS = 1e-6;

  private final Parameters parameters;
  private final OptimizerSettings settings;
  private final TrainingBackend ops;
  private int updates;

  /** An optimiser that has made no updates yet. */
  public Optimizer(Parameters parameters, OptimizerSettings settings, Backend backend) {
    this.parameters = parameters;
    this.settings = settings;
    ops = backend.training();
  }

  /** Updates so far. */
  public int updates() {
    return updates;
  }

  /** Goes on after so many updates. */
  void resume(int updates) {
    this.updates = updates;
  }

  /**
   * One update, after which the gradients are 0.
   *
   * @return the global norm of the gradient before clipping
   * @throws TrainingException if it is not a finite number; nothing is updated then
   */
  public double step(double learningRate) {
    double norm = Math.sqrt(ops.sumOfSquares(parameters.gradients()));
    if (!Double.isFinite(norm)) {
      throw new TrainingException("the gradient of " + culprit() + " is not finite");
    }
    double scale = Math.min(1, settings.clip() / (norm + NORM_EPS));
    updates++;
    ops.adamw(
        parameters.master(),
        parameters.gradients(),
        parameters.firstMoments(),
        parameters.secondMoments(),
        settings.adamw(),
        (float) learningRate,
        (float) scale,
        updates);
    ops.zero(parameters.gradients(), 1);
    parameters.masterChanged();
    return norm;
  }

  private String culprit() {
    for (String name : parameters.parts().keySet()) {
      if (!Double.isFinite(ops.sumOfSquares(parameters.gradient(name)))) {
        return name;
      }
    }
    return "all parameters together";
  }
}
