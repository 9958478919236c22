package io.lrt4j.training;

import java.util.function.IntToDoubleFunction;

/**
 * Stage 1: the mean negative log-likelihood of all tokens of a step, some of which may weigh more.
 * A step may come in several batches; each knows what all tokens of the whole step weigh.
 */
final class SftLoss implements LanguageHead.Loss {
  private final double tokens;
  private final IntToDoubleFunction weights;
  private double sum;

  /**
   * The loss of one step.
   *
   * @param tokens of all of its batches
   */
  SftLoss(int tokens) {
    this(tokens, token -> 1);
  }

  /**
   * The same with weights.
   *
   * @param tokens sum of the weights of all of its batches
   * @param weights of the tokens of the batch under way
   */
  SftLoss(double tokens, IntToDoubleFunction weights) {
    this.tokens = tokens;
    this.weights = weights;
  }

  @Override
  public void derive(int from, int to, TokenScores scores) {
    for (int i = from; i < to; i++) {
      double weight = weights.applyAsDouble(i);
      sum -= weight * scores.logprobs[i];
      scores.coefficients[i] = (float) (-weight / tokens);
    }
  }

  /** The loss over the batches so far. */
  double value() {
    return sum / tokens;
  }
}
