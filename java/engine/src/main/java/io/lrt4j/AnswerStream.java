package io.lrt4j;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/**
 * An answer as a stream of its tokens. The question is asked when somebody subscribes, which only
 * one may: a second subscriber is told an {@link IllegalStateException}. Tokens wait for one who
 * asks for them slowly (an answer is finite, and few bytes), and do not hold up the model.
 * Cancelling the subscription ends the answer like a {@link Cancellation}; a failure reaches both
 * the subscriber and {@link #answer()}; so does what a subscriber throws, or asks for that it may
 * not (less than one token), which ends the answer too.
 */
public interface AnswerStream extends Flow.Publisher<Token> {
  /**
   * The whole answer, once it has ended; cancelling it ends it. Until somebody has subscribed,
   * nothing comes.
   */
  CompletableFuture<Answer> answer();
}
