package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Updates parameters from their gradients, clipped to a global norm: by AdamW, or the matrices of
 * decoder layers by {@link Muon} and the rest by AdamW.
 */
public final class Optimizer {
  /** As PyTorch's {@code clip_grad_norm_} has it. */
  private static final double NORM_EPS = 1e-6;

  /** Neighbours that AdamW updates with the same rate. */
  private record Range(Tensor p, Tensor g, Tensor m, Tensor v, double rate) {}

  private final Parameters parameters;
  private final OptimizerSettings settings;
  private final TrainingBackend ops;
  private final List<Range> ranges = new ArrayList<>();
  private final @Nullable Muon muon;
  private int updates;

  /** An optimiser that has made no updates yet. */
  public Optimizer(Parameters parameters, OptimizerSettings settings, Backend backend) {
    this(parameters, settings, backend, name -> 1);
  }

  /**
   * The same, with a rate of its own for some parameters.
   *
   * @param rates by parameter, a factor to AdamW's learning rate
   */
  Optimizer(
      Parameters parameters,
      OptimizerSettings settings,
      Backend backend,
      ToDoubleFunction<String> rates) {
    this.parameters = parameters;
    this.settings = settings;
    ops = backend.training();
    List<String> matrices = new ArrayList<>();
    long from = 0;
    long to = 0;
    double rate = Double.NaN;
    for (var entry : parameters.parts().entrySet()) {
      Parameters.Part part = entry.getValue();
      if (settings.muon() > 0 && Muon.owns(entry.getKey(), part)) {
        matrices.add(entry.getKey());
        continue;
      }
      double own = rates.applyAsDouble(entry.getKey());
      if (part.at() != to || own != rate) {
        addRange(from, to, rate);
        from = part.at();
        rate = own;
      }
      to = part.at() + part.elements();
    }
    addRange(from, to, rate);
    muon = matrices.isEmpty() ? null : new Muon(parameters, matrices, ops);
  }

  private void addRange(long from, long to, double rate) {
    if (to > from) {
      ranges.add(
          new Range(
              part(parameters.master(), from, to),
              part(parameters.gradients(), from, to),
              part(parameters.firstMoments(), from, to),
              part(parameters.secondMoments(), from, to),
              rate));
    }
  }

  private Tensor part(Tensor flat, long from, long to) {
    return ops.view(flat, from, 1, Math.toIntExact(to - from));
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
   * @param learningRate AdamW's
   * @return the global norm of the gradient before clipping
   * @throws TrainingException if it is not a finite number; nothing is updated then
   */
  public double step(double learningRate) {
    double norm = Math.sqrt(ops.sumOfSquares(parameters.gradients()));
    if (!Double.isFinite(norm)) {
      throw new TrainingException("the gradient of " + culprit() + " is not finite");
    }
    float scale = (float) Math.min(1, settings.clip() / (norm + NORM_EPS));
    updates++;
    for (Range r : ranges) {
      float rate = (float) (learningRate * r.rate);
      ops.adamw(r.p, r.g, r.m, r.v, settings.adamw(), rate, scale, updates);
    }
    if (muon != null) {
      muon.step(learningRate * settings.muon(), settings.weightDecay(), scale);
    }
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
