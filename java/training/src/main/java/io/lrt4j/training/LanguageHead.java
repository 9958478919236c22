package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import org.jspecify.annotations.Nullable;

/**
 * From hidden states to the log-probabilities of tokens, and back. Some rows at a time, as their
 * logits would be the largest of all activations; each chunk goes its way back at once.
 */
final class LanguageHead implements AutoCloseable {
  /** The derivative of the loss by log-probabilities. */
  @FunctionalInterface
  interface Loss {
    /** Fills in the coefficients of tokens {@code from} to {@code to}, whose scores are there. */
    void derive(int from, int to, TokenScores scores);
  }

  private static final int MOST_ROWS = 1024;
  private static final int MOST_LOGITS = 1 << 24; // 64 MiB

  private final Backend backend;
  private final TrainingBackend ops;
  private final Tensor weight; // [vocab, hidden]
  private final @Nullable Tensor gradient; // [vocab, hidden]
  private final int chunk;
  private final Memory memory;
  private final Tensor input; // [chunk, hidden]
  private final Tensor logits; // [chunk, vocab]
  private final LogitSummary[] summaries;

  LanguageHead(Tensor weight, @Nullable Tensor gradient, Backend backend) {
    this.weight = weight;
    this.gradient = gradient;
    this.backend = backend;
    ops = backend.training();
    chunk = Math.clamp(MOST_LOGITS / weight.rows(), 1, MOST_ROWS);
    summaries = LogitSummary.array(chunk);
    memory = backend.newMemory();
    input = memory.allocate(chunk, weight.cols());
    logits = memory.allocate(chunk, weight.rows());
  }

  /**
   * Scores every token of the batch.
   *
   * @param hidden final hidden states of the rows that predict tokens
   */
  void score(Tensor hidden, PackedAnswers answers, TokenScores scores) {
    scores.ensure(answers.tokens());
    for (int from = 0; from < answers.tokens(); from += chunk) {
      score(hidden, answers, scores, from, Math.min(chunk, answers.tokens() - from));
    }
  }

  private void score(Tensor hidden, PackedAnswers answers, TokenScores scores, int from, int rows) {
    ops.gather(hidden, answers.places(), from, rows, input);
    ops.project(input, rows, weight, null, null, logits);
    ops.logProbabilities(
        logits, rows, answers.targets(), from, scores.logprobs, scores.logSumExp, scores.entropies);
    if (scores.hits != null) {
      backend.summarize(logits, 0, rows, summaries);
      for (int i = 0; i < rows; i++) {
        scores.hits[from + i] = summaries[i].argmax == answers.targets()[from + i];
      }
    }
  }

  /**
   * Scores every token, and adds the gradient of the loss to {@code dHidden}, which is set to 0
   * first.
   */
  void scoreAndDerive(
      Tensor hidden, PackedAnswers answers, TokenScores scores, Loss loss, Tensor dHidden) {
    scores.ensure(answers.tokens());
    ops.zero(dHidden, answers.predicting().length);
    for (int from = 0; from < answers.tokens(); from += chunk) {
      int rows = Math.min(chunk, answers.tokens() - from);
      score(hidden, answers, scores, from, rows);
      loss.derive(from, from + rows, scores);
      ops.logProbabilitiesBackward(
          logits, rows, answers.targets(), from, scores.logSumExp, scores.coefficients);
      if (gradient != null) {
        ops.projectWeights(logits, input, rows, gradient, null);
      }
      ops.projectInput(logits, rows, weight, false, input);
      ops.scatterAdd(input, answers.places(), from, rows, dHidden);
    }
  }

  @Override
  public void close() {
    memory.close();
  }
}
