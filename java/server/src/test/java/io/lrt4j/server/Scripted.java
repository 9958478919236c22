package io.lrt4j.server;

import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Engine;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Token;
import io.lrt4j.TokenListener;
import io.lrt4j.ToolCall;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;

/**
 * Stands for an engine whose answers take as long as a test likes: each writes a token for every
 * permit that it is given, until it is cancelled or has written what it wants to.
 */
final class Scripted {
  /** Tokens that may be written, by all answers together. */
  final Semaphore permits = new Semaphore(0);

  /** Counted down when as many answers have begun. */
  CountDownLatch begun = new CountDownLatch(1);

  /** How each answer ended. */
  final List<FinishReason> ended = Collections.synchronizedList(new ArrayList<>());

  /** Why answers end that are not cancelled. */
  volatile FinishReason end = FinishReason.STOP;

  /** Length of an answer, in tokens. */
  volatile int length = 3;

  /** Text of each token. */
  volatile String text = "x";

  /** What is called, one with each of the last tokens. */
  volatile List<ToolCall> toolCalls = List.of();

  /** Thrown in place of an answer. */
  volatile @org.jspecify.annotations.Nullable Throwable failure;

  private volatile @org.jspecify.annotations.Nullable Question asked;

  private volatile @org.jspecify.annotations.Nullable GenerationOptions generated;

  /** How the last text is gone on with. */
  GenerationOptions generated() {
    return Objects.requireNonNull(generated);
  }

  /** The last question. */
  Question asked() {
    return Objects.requireNonNull(asked);
  }

  /** {@code real}, but for how it answers. */
  Engine over(Engine real) {
    return (Engine)
        Proxy.newProxyInstance(
            Engine.class.getClassLoader(),
            new Class<?>[] {Engine.class},
            (_, method, args) -> {
              if (method.getName().equals("ask")
                  && args.length == 2
                  && args[0] instanceof Question q) {
                return answer(q, (TokenListener) args[1]);
              }
              if (method.getName().equals("generate")) {
                generated = (GenerationOptions) args[1];
              }
              try {
                return method.invoke(real, args);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private List<ToolCall> calls(int written) {
    int call = written - 1 - (length - toolCalls.size());
    return call < 0 ? List.of() : List.of(toolCalls.get(call));
  }

  private Answer answer(Question question, TokenListener listener) throws Throwable {
    asked = question;
    Throwable thrown = failure;
    if (thrown != null) {
      throw thrown;
    }
    begun.countDown();
    Cancellation cancellation =
        Objects.requireNonNull(question.optionsOver(question.options()).cancellation());
    FinishReason reason = end;
    int written = 0;
    while (written < length && reason != FinishReason.CANCELLED) {
      if (cancellation.isCancelled()) {
        reason = FinishReason.CANCELLED;
      } else if (permits.tryAcquire()) {
        written++;
        listener.onToken(new Token(1, text, -1, Token.Phase.ANSWER, List.of(), calls(written)));
      } else {
        Thread.sleep(1);
      }
    }
    ended.add(reason);
    return new Answer(
        text.repeat(written),
        "",
        Mode.DIRECT,
        reason,
        new Answer.TokenCounts(1, 0, 0, written),
        Collections.nCopies(written, 1),
        Collections.nCopies(written, -1f),
        new Answer.Confidence(-1, 1),
        null,
        new Answer.Timings(0, 0, 0, 0, 0, 0),
        toolCalls);
  }
}
