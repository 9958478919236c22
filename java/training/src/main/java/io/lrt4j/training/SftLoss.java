package io.lrt4j.training;

/**
 * Stage 1: the mean negative log-likelihood of all tokens of a step. A step may come in several
 * batches; each knows how many tokens the whole step has.
 */
final class SftLoss implements LanguageHead.Loss {
  private final int tokens;
  private double sum;
  private int hits;

  /**
   * The loss of one step.
   *
   * @param tokens of all of its batches
   */
  SftLoss(int tokens) {
    this.tokens = tokens;
  }

  @Override
  public void derive(int from, int to, TokenScores scores) {
    float coefficient = -1f / tokens;
    for (int i = from; i < to; i++) {
      sum -= scores.logprobs[i];
      scores.coefficients[i] = coefficient;
      if (scores.hits != null && scores.hits[i]) {
        hits++;
      }
    }
  }

  /** The loss over the batches so far. */
  double value() {
    return sum / tokens;
  }

  /** The part of tokens that were the most likely ones, if the scores have that. */
  double accuracy() {
    return (double) hits / tokens;
  }
}
