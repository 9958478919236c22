package io.lrt4j.reasoning;

import io.lrt4j.GenerationOptions;

/**
 * How much may be thought and answered in explicit mode. Budget forcing ("s1: Simple test-time
 * scaling", 2025): when thinking has used up its share, the block is closed for the model, which
 * answers with what remains.
 *
 * @param total tokens for thinking and answer; of a single one nothing is left for the answer
 * @param thinking tokens of it that thinking may use up
 */
public record ThinkingBudget(int total, int thinking) {
  private static final int LARGEST_ANSWER = 256;

  /** The shares of one budget for both: the answer is left a quarter, 256 tokens at most. */
  public static ThinkingBudget of(int total) {
    return new ThinkingBudget(total, Math.max(1, total - answerShare(total)));
  }

  /**
   * What options ask for.
   *
   * @param room most tokens that can be generated at all
   */
  static ThinkingBudget of(GenerationOptions options, int room) {
    int total = Math.min(room, total(options));
    int asked = options.thinkingBudget();
    if (asked == 0) {
      return of(total);
    }
    // Where there is no room for both, the answer keeps its share.
    int answer = Math.min(options.maxTokens(), answerShare(total));
    return new ThinkingBudget(total, Math.min(asked, Math.max(1, total - answer)));
  }

  /** Tokens that options ask for in explicit mode, thinking included. */
  static int total(GenerationOptions options) {
    if (options.budget() > 0) {
      return options.budget();
    }
    return (int) Math.min(Integer.MAX_VALUE, (long) options.thinkingBudget() + options.maxTokens());
  }

  private static int answerShare(int total) {
    return Math.clamp(total / 4, 1, LARGEST_ANSWER);
  }
}
