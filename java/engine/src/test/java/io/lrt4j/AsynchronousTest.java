package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Answers on the engine's threads, and as streams. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class AsynchronousTest {
  private static final Question QUESTION = Question.of("What is 12+30?").maxTokens(12);

  /** One that would take long enough to be ended by a test that fails otherwise. */
  private static final Question LONG =
      QUESTION
          .mode(Mode.DIRECT)
          .options(GenerationOptions.defaults().withMaxTokens(450).withIgnoreEos(true));

  private final Engine engine =
      Engine.load(
          Fixtures.dir(TestModels.BASE),
          EngineOptions.builder()
              .network(Fixtures.dir(TestModels.APPEND))
              .backend("scalar")
              .threads(1)
              .build());

  @AfterEach
  void close() {
    engine.close();
  }

  @Test
  void manyAtATime() {
    List<Mode> modes = List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT);
    List<Question> questions =
        IntStream.range(0, 24)
            .mapToObj(i -> QUESTION.mode(modes.get(i % 3)).maxTokens(1 + i % 12))
            .toList();
    List<CompletableFuture<Answer>> answers = questions.stream().map(engine::askAsync).toList();
    for (int i = 0; i < questions.size(); i++) {
      assertEquals(engine.ask(questions.get(i)).ids(), answers.get(i).join().ids());
    }
  }

  @Test
  void aListenerHearsEveryTokenOnAThreadOfTheEngine() {
    List<Integer> ids = Collections.synchronizedList(new ArrayList<>());
    Thread caller = Thread.currentThread();
    Answer answer =
        engine
            .askAsync(
                QUESTION,
                token -> {
                  assertTrue(Thread.currentThread() != caller && Thread.currentThread().isDaemon());
                  ids.add(token.id());
                })
            .join();
    assertEquals(engine.ask(QUESTION).ids(), ids);
    assertEquals(ids, answer.ids());
  }

  @Test
  void cancellingTheFutureEndsTheAnswer() throws InterruptedException {
    Semaphore heard = new Semaphore(0);
    CountDownLatch cancelled = new CountDownLatch(1);
    List<Token> tokens = Collections.synchronizedList(new ArrayList<>());
    CompletableFuture<Answer> answer =
        engine.askAsync(
            LONG,
            token -> {
              tokens.add(token);
              heard.release();
              await(cancelled);
            });
    heard.acquire(1);
    answer.cancel(false);
    cancelled.countDown();
    assertThrows(CancellationException.class, answer::join);
    engine.close(); // waits for what is still being computed
    assertEquals(1, tokens.size());
  }

  @Test
  void theQuestionsOwnSwitchStillCounts() {
    Cancellation own = new Cancellation();
    CompletableFuture<Answer> answer =
        engine.askAsync(LONG.cancelledBy(own), token -> own.cancel());
    assertEquals(FinishReason.CANCELLED, answer.join().finishReason());
    assertEquals(1, answer.join().ids().size());
  }

  @Test
  void whatFailsFailsTheFuture() {
    CompletableFuture<Answer> answer = engine.askAsync(QUESTION.mode(Mode.AUTO));
    assertInstanceOf(
        QuestionException.class, assertThrows(CompletionException.class, answer::join).getCause());
    engine.close();
    CompletableFuture<Answer> late = engine.askAsync(QUESTION);
    assertInstanceOf(
        IllegalStateException.class,
        assertThrows(CompletionException.class, late::join).getCause());
  }

  /** A system that has no thread to give fails the future, and leaves the place to the next. */
  @Test
  void noThreadIsNoPlaceLost() {
    var none = new AtomicBoolean(true);
    var error = new OutOfMemoryError("unable to create native thread");
    EngineOptions options =
        EngineOptions.builder().backend("scalar").threads(1).concurrency(1).queue(0).build();
    try (Engine one =
        LoadedEngine.load(
            Fixtures.dir(TestModels.BASE),
            options,
            LoadListener.NONE,
            task -> {
              if (none.get()) {
                throw error;
              }
              return new Thread(task);
            })) {
      Question question = QUESTION.mode(Mode.DIRECT);
      for (int i = 0; i < 3; i++) {
        CompletableFuture<Answer> answer = one.askAsync(question);
        assertSame(error, assertThrows(CompletionException.class, answer::join).getCause());
      }
      assertEquals(12, one.ask(question).ids().size());
      none.set(false);
      assertEquals(one.ask(question).ids(), one.askAsync(question).join().ids());
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Takes tokens as they are asked for, and notes what it is told. */
  private static class Reader implements Flow.Subscriber<Token> {
    final List<Integer> ids = Collections.synchronizedList(new ArrayList<>());
    private final CompletableFuture<@Nullable Throwable> end = new CompletableFuture<>();
    final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    private final Semaphore read = new Semaphore(0);

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      this.subscription.complete(subscription);
    }

    @Override
    public void onNext(Token token) {
      ids.add(token.id());
      read.release();
    }

    @Override
    public void onError(Throwable failure) {
      end.complete(failure);
    }

    @Override
    public void onComplete() {
      end.complete(null);
    }
  }

  @Test
  void aStreamGivesWhatIsAskedFor() throws InterruptedException {
    AnswerStream stream = engine.stream(LONG.maxTokens(100));
    Reader reader = new Reader();
    stream.subscribe(reader);
    // The answer does not wait for one who reads slowly.
    Answer answer = stream.answer().join();
    assertEquals(100, answer.ids().size());
    Flow.Subscription subscription = reader.subscription.join();
    subscription.request(2);
    reader.read.acquire(2);
    assertEquals(answer.ids().subList(0, 2), List.copyOf(reader.ids));
    subscription.request(Long.MAX_VALUE);
    assertNull(reader.end.join());
    assertEquals(answer.ids(), reader.ids);
    assertEquals(engine.ask(LONG.maxTokens(100)).ids(), answer.ids());
  }

  @Test
  void aStreamIsForOneSubscriberAndTellsOfFailures() {
    AnswerStream stream = engine.stream(QUESTION.mode(Mode.AUTO));
    Reader first = new Reader();
    stream.subscribe(first);
    assertInstanceOf(QuestionException.class, Objects.requireNonNull(first.end.join()));
    Reader second = new Reader();
    stream.subscribe(second);
    assertInstanceOf(IllegalStateException.class, Objects.requireNonNull(second.end.join()));
  }

  @Test
  void aSubscriberThatCancelsEndsTheAnswer() {
    AnswerStream stream = engine.stream(LONG);
    Reader reader =
        new Reader() {
          @Override
          public void onNext(Token token) {
            super.onNext(token);
            subscription.join().cancel();
          }
        };
    stream.subscribe(reader);
    reader.subscription.join().request(1);
    assertEquals(FinishReason.CANCELLED, stream.answer().join().finishReason());
    assertEquals(1, reader.ids.size());
  }

  @Test
  void aSubscriberThatFailsEndsTheAnswer() {
    var mine = new IllegalStateException("mine");
    List<Reader> readers =
        List.of(
            new Reader() {
              @Override
              public void onSubscribe(Flow.Subscription subscription) {
                throw mine;
              }
            },
            new Reader() {
              @Override
              public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(1);
              }

              @Override
              public void onNext(Token token) {
                throw mine;
              }
            },
            new Reader() {
              @Override
              public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(0);
              }
            });
    for (Reader reader : readers) {
      AnswerStream stream = engine.stream(LONG);
      stream.subscribe(reader);
      Throwable told = Objects.requireNonNull(reader.end.join());
      assertSame(told, assertThrows(CompletionException.class, stream.answer()::join).getCause());
      assertTrue(told == mine || told instanceof IllegalArgumentException, told.toString());
    }
  }

  @Test
  void aSecondSubscriberDoesNotEndTheAnswer() {
    AnswerStream stream = engine.stream(LONG.maxTokens(100));
    stream.subscribe(new Reader());
    stream.subscribe(new Reader());
    assertEquals(100, stream.answer().join().ids().size());
  }
}
