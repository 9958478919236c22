package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.QuestionException;
import io.lrt4j.Token;
import java.util.List;

/** How an endpoint words its answers; {@link Reply} does what all have in common. */
interface Form {
  /** Begins an answer's id. */
  String idPrefix();

  /** OpenAI's name of a whole answer. */
  String wholeObject();

  /** OpenAI's name of a piece of a stream. */
  String pieceObject();

  /** Whether a stream has a first piece of a choice before its first token, and what is in it. */
  boolean begin(ObjectNode choice);

  /** Whether the prompt is a part of the text: then all tokens have log-probabilities. */
  boolean echoes();

  /** What one token adds, which has text, or tool calls that are complete. */
  void piece(ObjectNode choice, Token token);

  /** What the last piece of a choice has, in which there is no text. */
  void end(ObjectNode choice, Answer answer);

  /** A whole choice. */
  void whole(ObjectNode choice, Answer answer);

  /** The field of the request that a question was refused for. */
  String param(QuestionException e);

  /**
   * Log-probabilities in a choice.
   *
   * @param offset characters of the answer before them
   */
  void logprobs(ObjectNode choice, List<Logprobs.Entry> entries, int offset);
}
