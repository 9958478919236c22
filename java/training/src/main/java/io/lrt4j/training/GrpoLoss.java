package io.lrt4j.training;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Stage 2: Group Relative Policy Optimisation (Shao et al., 2024). With r = exp(cur - old) the
 * probability ratio of a token, a the advantage of its answer and ref the reference network's
 * log-probability:
 *
 * <pre>
 * objective = min(r a, clamp(r, 1 - eps, 1 + eps) a) - beta (exp(ref - cur) - (ref - cur) - 1)
 * </pre>
 *
 * The loss is the negative mean over an answer's tokens, then over all answers of a step. The last
 * term is the k3 estimate of KL(policy || reference) (Schulman, 2020).
 */
final class GrpoLoss implements LanguageHead.Loss {
  /** Keeps an advantage finite where all rewards are alike. */
  private static final double STD_EPS = 1e-4;

  private final PackedAnswers answers;
  private final int answersOfStep;
  private final double eps;
  private final double beta;
  private @Nullable List<float[]> old;
  private List<float[]> reference = List.of();
  private double[] advantages = {};
  private int answer; // of the next token

  private double loss;
  private double kl; // sums over answers of means over tokens
  private double entropy;
  private long clippedLow;
  private long clippedHigh;
  private long tokens;

  /**
   * The loss of one step.
   *
   * @param answers the batch under way
   * @param answersOfStep answers of all batches of the step
   * @param eps clipping range of the ratio
   * @param beta weight of the KL term
   */
  GrpoLoss(PackedAnswers answers, int answersOfStep, double eps, double beta) {
    this.answers = answers;
    this.answersOfStep = answersOfStep;
    this.eps = eps;
    this.beta = beta;
  }

  /**
   * What the next batch is held against.
   *
   * @param old log-probabilities of every answer's tokens when it was sampled; null if nothing has
   *     changed since then
   * @param reference the same under the reference network
   * @param advantages one for every answer
   */
  void begin(@Nullable List<float[]> old, List<float[]> reference, double[] advantages) {
    this.old = old;
    this.reference = reference;
    this.advantages = advantages;
    answer = 0;
  }

  /** (r - mean) / (std + 1e-4) over one group, with the population's standard deviation. */
  static double[] advantages(double[] rewards) {
    double mean = 0;
    for (double r : rewards) {
      mean += r / rewards.length;
    }
    double variance = 0;
    for (double r : rewards) {
      variance += (r - mean) * (r - mean) / rewards.length;
    }
    double[] advantages = new double[rewards.length];
    for (int i = 0; i < rewards.length; i++) {
      advantages[i] = (rewards[i] - mean) / (Math.sqrt(variance) + STD_EPS);
    }
    return advantages;
  }

  @Override
  public void derive(int from, int to, TokenScores scores) {
    for (int i = from; i < to; i++) {
      while (i >= answers.firstToken(answer + 1)) {
        answer++;
      }
      int first = answers.firstToken(answer);
      int length = answers.firstToken(answer + 1) - first;
      double weight = 1.0 / ((double) length * answersOfStep);
      double cur = scores.logprobs[i];
      double a = advantages[answer];
      double ratio = old == null ? 1 : Math.exp(cur - old.get(answer)[i - first]);
      double clamped = Math.clamp(ratio, 1 - eps, 1 + eps);
      double difference = reference.get(answer)[i - first] - cur;
      double k3 = Math.exp(difference) - difference - 1;
      // Where the clamped side is the smaller one, the ratio has no say any more.
      boolean clipped = clamped * a < ratio * a;
      double policySlope = clipped ? 0 : ratio * a;
      double klSlope = 1 - Math.exp(difference);
      scores.coefficients[i] = (float) (-weight * (policySlope - beta * klSlope));
      loss -= weight * (Math.min(ratio * a, clamped * a) - beta * k3);
      kl += weight * k3;
      if (scores.entropies != null) {
        entropy += weight * scores.entropies[i];
      }
      if (clipped && ratio < 1) {
        clippedLow++;
      } else if (clipped) {
        clippedHigh++;
      }
      tokens++;
    }
  }

  /** The loss over the batches so far. */
  double value() {
    return loss;
  }

  /** Mean k3 estimate of the divergence from the reference, in nats. */
  double kl() {
    return kl;
  }

  /** Mean entropy of the tokens' distributions, in nats, if the scores have it. */
  double entropy() {
    return entropy;
  }

  /** Part of the tokens whose ratio was below the range and clipped. */
  double clippedLow() {
    return tokens == 0 ? 0 : (double) clippedLow / tokens;
  }

  /** Part of the tokens whose ratio was above the range and clipped. */
  double clippedHigh() {
    return tokens == 0 ? 0 : (double) clippedHigh / tokens;
  }
}
