package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.schedule.Admission;
import io.lrt4j.schedule.Cutoff;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Who has to wait, who is refused, and who has waited long enough. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class AdmissionTest {
  private static final Question QUESTION = Question.of("What is 12+30?").maxTokens(3);

  private static Engine engine(int concurrency, int queue) {
    return Engine.load(
        Fixtures.dir(TestModels.BASE),
        EngineOptions.builder()
            .network(Fixtures.dir(TestModels.APPEND))
            .backend("scalar")
            .threads(1)
            .concurrency(concurrency)
            .queue(queue)
            .build());
  }

  /** An answer that stays under way until it is let go. */
  private static final class Held {
    final CountDownLatch begun = new CountDownLatch(1);
    final CountDownLatch end = new CountDownLatch(1);
    final CompletableFuture<Answer> answer;

    Held(Engine engine) throws InterruptedException {
      answer =
          engine.askAsync(
              QUESTION,
              token -> {
                begun.countDown();
                try {
                  end.await();
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
      begun.await();
    }

    Answer letGo() {
      end.countDown();
      return answer.join();
    }
  }

  @Test
  void whoeverWouldHaveToWaitIsRefused() throws InterruptedException {
    try (Engine engine = engine(1, 0)) {
      Held held = new Held(engine);
      var refused = assertThrows(OverloadedException.class, () -> engine.ask(QUESTION));
      assertEquals(
          "the engine is busy: it has 1 answers under way (concurrency) and 0 callers waiting"
              + " (queue)",
          refused.getMessage());
      assertThrows(
          OverloadedException.class,
          () -> engine.generate(new int[] {1}, GenerationOptions.defaults()));
      assertThrows(OverloadedException.class, () -> engine.score(new int[] {1}, false, false));
      assertThrows(
          OverloadedException.class, () -> engine.score(new int[] {1}, GenerationOptions.unset()));
      assertThrows(OverloadedException.class, () -> engine.sample(QUESTION, 2));
      assertThrows(OverloadedException.class, () -> engine.latents(QUESTION));
      CompletableFuture<Answer> later = engine.askAsync(QUESTION);
      assertInstanceOf(
          OverloadedException.class,
          assertThrows(CompletionException.class, later::join).getCause());
      assertTrue(engine.prompt(QUESTION).length > 0); // computes nothing
      List<Integer> ids = held.letGo().ids();
      for (int i = 0; i < 3; i++) { // neither answers nor refusals keep a place
        assertEquals(ids, engine.ask(QUESTION).ids());
      }
    }
  }

  @Test
  void whoeverMayWaitDoes() throws InterruptedException {
    try (Engine engine = engine(1, 2)) {
      Held held = new Held(engine);
      List<CompletableFuture<Answer>> waiting =
          IntStream.range(0, 2).mapToObj(i -> engine.askAsync(QUESTION)).toList();
      assertThrows(OverloadedException.class, () -> engine.ask(QUESTION));
      assertTrue(waiting.stream().noneMatch(CompletableFuture::isDone));
      Answer answer = held.letGo();
      waiting.forEach(w -> assertEquals(answer.ids(), w.join().ids()));
    }
  }

  /** Whoever comes when a place is free waits behind those who came before. */
  @Test
  void firstComeFirstServed() throws InterruptedException {
    Admission admission = new Admission(1, 9);
    Cutoff never = Cutoff.interrupt();
    for (int i = 0; i < 100; i++) {
      Admission.Place place = admission.place(never);
      AtomicBoolean served = new AtomicBoolean();
      Thread first =
          Thread.ofPlatform()
              .start(
                  () -> {
                    try (Admission.Place _ = admission.place(never)) {
                      served.set(true);
                    }
                  });
      while (first.getState() != Thread.State.TIMED_WAITING) { // in the line
        Thread.onSpinWait();
      }
      place.close();
      try (Admission.Place _ = admission.place(never)) {
        assertTrue(served.get(), "in round " + i);
      }
      first.join();
    }
  }

  /** Called off, out of time or interrupted while it waits: at once an answer without a token. */
  @Test
  void whoeverNeedsNoAnswerWaitsNoLonger() throws InterruptedException {
    try (Engine engine = engine(1, 9)) {
      Held held = new Held(engine);
      Cancellation cancelled = new Cancellation();
      cancelled.cancel();
      Answer answer = engine.ask(QUESTION.cancelledBy(cancelled));
      assertEquals(FinishReason.CANCELLED, answer.finishReason());
      GenerationOptions off = GenerationOptions.unset().withCancellation(cancelled);
      assertThrows(CancellationException.class, () -> engine.score(new int[] {1, 2}, off));
      GenerationOptions soon = GenerationOptions.unset().withTimeout(Duration.ofMillis(30));
      assertThrows(CancellationException.class, () -> engine.score(new int[] {1, 2}, soon));
      answer = engine.ask(QUESTION.timeout(Duration.ofMillis(30)));
      assertEquals(FinishReason.TIMEOUT, answer.finishReason());
      assertEquals(List.of(), answer.ids());
      Thread.currentThread().interrupt();
      assertEquals(FinishReason.CANCELLED, engine.ask(QUESTION).finishReason());
      assertThrows(CancellationException.class, () -> engine.score(new int[] {1, 2}, false, false));
      assertEquals(0, engine.latents(QUESTION).length);
      assertTrue(Thread.interrupted());
      assertEquals(3, held.letGo().ids().size());
    }
  }

  @ParameterizedTest
  @EnumSource(value = Mode.class, names = "AUTO", mode = EnumSource.Mode.EXCLUDE)
  void anAnswerEndsWhenItsTimeIsOver(Mode mode) {
    try (Engine engine = engine(2, 0)) {
      Answer none = engine.ask(QUESTION.mode(mode).timeout(Duration.ofNanos(1)));
      assertEquals(FinishReason.TIMEOUT, none.finishReason());
      assertEquals(List.of(), none.ids());
      Question question = QUESTION.mode(mode);
      Answer some =
          engine.ask(
              question.timeout(Duration.ofMillis(300)),
              token -> {
                try {
                  Thread.sleep(301);
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
      assertEquals(FinishReason.TIMEOUT, some.finishReason());
      assertTrue(some.ids().size() <= 1);
      Answer whole = engine.ask(question.timeout(Duration.ofDays(100_000)));
      assertEquals(3, whole.ids().size());
    }
  }

  @Test
  void limitsThatAreNone() {
    assertThrows(BackendException.class, () -> EngineOptions.builder().concurrency(0).build());
    assertThrows(BackendException.class, () -> EngineOptions.builder().queue(-1).build());
    assertThrows(QuestionException.class, () -> QUESTION.timeout(Duration.ZERO));
  }
}
