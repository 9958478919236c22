package io.lrt4j.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What a model says of each token of a batch, and what the loss says to that. */
final class TokenScores {
  private final boolean details;

  /** Log-probability of each token. */
  float[] logprobs = {};

  /** Normaliser of each token's logits. */
  float[] logSumExp = {};

  /** Derivative of the loss by each log-probability. */
  float[] coefficients = {};

  /** Entropy of each token's distribution, in nats; null unless wanted. */
  float @Nullable [] entropies;

  /** Whether each token is the most likely one; null unless wanted. */
  boolean @Nullable [] hits;

  /**
   * Room for no tokens yet.
   *
   * @param details whether entropies and hits are wanted
   */
  TokenScores(boolean details) {
    this.details = details;
  }

  void ensure(int tokens) {
    if (logprobs.length >= tokens) {
      return;
    }
    int room = tokens + tokens / 4;
    logprobs = new float[room];
    logSumExp = new float[room];
    coefficients = new float[room];
    if (details) {
      entropies = new float[room];
      hits = new boolean[room];
    }
  }

  /** A copy of the log-probabilities, answer by answer. */
  List<float[]> perAnswer(PackedAnswers answers) {
    List<float[]> copies = new ArrayList<>(answers.answers());
    for (int a = 0; a < answers.answers(); a++) {
      copies.add(Arrays.copyOfRange(logprobs, answers.firstToken(a), answers.firstToken(a + 1)));
    }
    return copies;
  }

  /** How many answers have nothing but most likely tokens; only where hits are wanted. */
  int rightAnswers(PackedAnswers answers) {
    boolean[] hits = Objects.requireNonNull(this.hits);
    int right = 0;
    for (int a = 0; a < answers.answers(); a++) {
      boolean all = true;
      for (int i = answers.firstToken(a); i < answers.firstToken(a + 1); i++) {
        all &= hits[i];
      }
      right += all ? 1 : 0;
    }
    return right;
  }
}
