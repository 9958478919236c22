package io.lrt4j.training;

import io.lrt4j.compute.TrainingBackend.AdamW;

/**
 * AdamW, Muon and what surrounds them.
 *
 * @param beta1 decay of the running mean of gradients
 * @param beta2 decay of the running mean of their squares
 * @param eps added to the root of the latter
 * @param weightDecay decoupled, on every parameter
 * @param clip largest global norm of the gradient; infinite for none
 * @param muon Muon's learning rate for the matrices of decoder layers, as a multiple of AdamW's; 0
 *     for AdamW alone
 */
public record OptimizerSettings(
    float beta1, float beta2, float eps, float weightDecay, double clip, double muon) {
  /** What the reference uses. */
  public static OptimizerSettings defaults() {
    return new OptimizerSettings(0.9f, 0.95f, 1e-8f, 0.01f, 1, 0);
  }

  AdamW adamw() {
    return new AdamW(beta1, beta2, eps, weightDecay);
  }
}
