package io.lrt4j;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An answer and how it came about.
 *
 * @param text the answer alone, without thinking, closing text, stop string or end-of-sequence
 *     token
 * @param reasoning the thinking that was written in {@link Mode#EXPLICIT}, else ""
 * @param mode the mode that gave this answer: never {@link Mode#AUTO}
 * @param finishReason why it ended
 * @param tokens how many tokens of each kind
 * @param ids the generated tokens: of the thinking, if any, then of the answer; prompt, latents and
 *     forced text not included
 * @param logprobs natural log-probability of each of {@code ids}, before temperature and penalties
 * @param confidence of the answer's tokens
 * @param seed that it was sampled with, given or drawn: asking with it gives the same answer again;
 *     null of a greedy one, which has no use for it
 * @param timings what took how long
 * @param toolCalls which of the {@link Question#tools} it calls; they are no part of {@code text}
 */
public record Answer(
    String text,
    String reasoning,
    Mode mode,
    FinishReason finishReason,
    TokenCounts tokens,
    List<Integer> ids,
    List<Float> logprobs,
    Confidence confidence,
    @Nullable Long seed,
    Timings timings,
    List<ToolCall> toolCalls) {

  /**
   * Tokens by kind.
   *
   * @param prompt given to the model as text: the templated question, closing texts and cues
   * @param latent latent vectors that took the place of thinking
   * @param reasoning generated as thinking
   * @param answer generated as answer
   * @param cached of the prompt, those that an earlier question had begun with too, so that they
   *     were not read again
   */
  public record TokenCounts(int prompt, int latent, int reasoning, int answer, int cached) {
    /** Nothing cached. */
    public TokenCounts(int prompt, int latent, int reasoning, int answer) {
      this(prompt, latent, reasoning, answer, 0);
    }
  }

  /**
   * How sure the model was of the answer's tokens.
   *
   * @param meanLogprob mean natural log-probability, 0 is certain; NaN without answer tokens
   * @param smallestMargin smallest difference between the largest and second largest logit; NaN
   *     without answer tokens
   */
  public record Confidence(double meanLogprob, double smallestMargin) {}

  /**
   * Wall-clock times in milliseconds. In {@link Mode#AUTO}, of the whole job, an attempt that was
   * given up included. A GPU is not waited for in between: what it still has to do when the next
   * part begins is counted there.
   *
   * @param encode running the base model over the question, up to the answer's first logits if no
   *     latents come between
   * @param reason the reasoning network's forward pass
   * @param prefill running the base model over latents, closing text and cues, up to the answer's
   *     first logits
   * @param firstToken from the call to the first token of the answer
   * @param decode generating tokens
   * @param total from the call to the end of the answer
   */
  public record Timings(
      double encode,
      double reason,
      double prefill,
      double firstToken,
      double decode,
      double total) {}

  public Answer {
    ids = List.copyOf(ids);
    logprobs = List.copyOf(logprobs);
    toolCalls = List.copyOf(toolCalls);
  }

  /** Without tool calls. */
  public Answer(
      String text,
      String reasoning,
      Mode mode,
      FinishReason finishReason,
      TokenCounts tokens,
      List<Integer> ids,
      List<Float> logprobs,
      Confidence confidence,
      @Nullable Long seed,
      Timings timings) {
    this(
        text,
        reasoning,
        mode,
        finishReason,
        tokens,
        ids,
        logprobs,
        confidence,
        seed,
        timings,
        List.of());
  }

  /** Generated tokens (thinking and answer) per second of decoding; 0 when nothing was decoded. */
  public double tokensPerSecond() {
    return timings.decode > 0 ? 1000.0 * ids.size() / timings.decode : 0;
  }
}
