package io.lrt4j;

import java.util.List;

/**
 * One generated token.
 *
 * @param id its number in the vocabulary
 * @param text what it adds to the text: whole characters only, so "" while a character (or a
 *     possible stop string) is incomplete
 * @param logprob the model's natural log-probability of it, before temperature and penalties
 * @param phase whether it belongs to the thinking or to the answer
 * @param alternatives the most probable tokens at its place, the best first, as many as {@link
 *     GenerationOptions#topLogprobs} asks for
 * @param toolCalls the tool calls that are complete with it; their text is in no token's
 */
public record Token(
    int id,
    String text,
    float logprob,
    Phase phase,
    List<Choice> alternatives,
    List<ToolCall> toolCalls) {
  /** Part of the output that a token belongs to. */
  public enum Phase {
    REASONING,
    ANSWER
  }

  /**
   * A token that might have been written.
   *
   * @param id its number in the vocabulary
   * @param logprob the model's natural log-probability of it, before temperature and penalties
   */
  public record Choice(int id, float logprob) {}

  public Token {
    alternatives = List.copyOf(alternatives);
    toolCalls = List.copyOf(toolCalls);
  }

  /** Without alternatives and tool calls. */
  public Token(int id, String text, float logprob, Phase phase) {
    this(id, text, logprob, phase, List.of(), List.of());
  }
}
