package io.lrt4j;

import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.atomic.AtomicBoolean;

/** One question's {@link AnswerStream}. */
final class TokenPublisher implements AnswerStream {
  private static final int NO_BOUND = 1 << 30; // the buffer begins small and grows

  private final LoadedEngine engine;
  private final Question question;
  private final Cancellation cancellation;
  private final CompletableFuture<Answer> answer = new CompletableFuture<>();
  private final AtomicBoolean asked = new AtomicBoolean();

  TokenPublisher(LoadedEngine engine, Question question) {
    this.engine = engine;
    cancellation = Cancellation.with(question.options().cancellation());
    this.question = question.cancelledBy(cancellation);
  }

  @Override
  @SuppressWarnings("FutureReturnValueIgnored") // what it would tell is the stream's end
  public void subscribe(Flow.Subscriber<? super Token> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    // Not on the answering thread, which a subscriber must not hold up.
    var tokens = new SubmissionPublisher<Token>(Thread::startVirtualThread, NO_BOUND);
    if (!asked.compareAndSet(false, true)) {
      tokens.subscribe(subscriber);
      tokens.closeExceptionally(
          new IllegalStateException("an answer's tokens can be subscribed to once"));
      return;
    }
    tokens.subscribe(new Cancelling(subscriber));
    answer.whenComplete(
        (result, failure) -> {
          if (failure == null) {
            tokens.close();
          } else {
            tokens.closeExceptionally(failure);
          }
        });
    engine.answer(question, cancellation, tokens::submit, answer);
  }

  @Override
  public CompletableFuture<Answer> answer() {
    return answer;
  }

  /** Ends the answer of a subscriber that cancels or fails, whatever is being computed of it. */
  private final class Cancelling implements Flow.Subscriber<Token> {
    private final Flow.Subscriber<? super Token> to;

    private Cancelling(Flow.Subscriber<? super Token> to) {
      this.to = to;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      to.onSubscribe(
          new Flow.Subscription() {
            @Override
            public void request(long n) {
              subscription.request(n);
            }

            @Override
            public void cancel() {
              subscription.cancel();
              cancellation.cancel();
            }
          });
    }

    @Override
    public void onNext(Token token) {
      to.onNext(token);
    }

    @Override
    public void onError(Throwable failure) {
      answer.completeExceptionally(failure); // unless it is its own: the subscriber's
      to.onError(failure);
    }

    @Override
    public void onComplete() {
      to.onComplete();
    }
  }
}
