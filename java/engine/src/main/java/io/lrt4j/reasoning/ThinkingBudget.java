package io.lrt4j.reasoning;

/**
 * Budget forcing ("s1: Simple test-time scaling", 2025): one token budget covers thinking and
 * answer together. When thinking has used up its share, the block is closed for the model, which
 * answers with what remains.
 *
 * @param total tokens for thinking and answer; of a single one nothing is left for the answer
 * @param thinking tokens of it that thinking may use up: all but a quarter, or but 256 if that is
 *     less
 */
public record ThinkingBudget(int total, int thinking) {
  private static final int LARGEST_ANSWER = 256;

  /** The shares of a total. */
  public static ThinkingBudget of(int total) {
    int answer = Math.clamp(total / 4, 1, LARGEST_ANSWER);
    return new ThinkingBudget(total, Math.max(1, total - answer));
  }
}
