package io.lrt4j;

/**
 * One generated token.
 *
 * @param id its number in the vocabulary
 * @param text what it adds to the text: whole characters only, so "" while a character (or a
 *     possible stop string) is incomplete
 * @param logprob the model's natural log-probability of it, before temperature and penalties
 * @param phase whether it belongs to the thinking or to the answer
 */
public record Token(int id, String text, float logprob, Phase phase) {
  /** Part of the output that a token belongs to. */
  public enum Phase {
    REASONING,
    ANSWER
  }
}
