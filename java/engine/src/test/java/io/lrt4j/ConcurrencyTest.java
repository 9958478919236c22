package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** One engine, many threads: answering, cancelling, failing, closing. */
@Timeout(60)
class ConcurrencyTest {
  @TempDir Path temporary;

  static List<String> backends() {
    return TestModels.backends().toList();
  }

  private static Question question(int i) {
    List<Mode> modes = List.of(Mode.AUTO, Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT);
    return Question.of("How many apples are " + i + " and 3?")
        .mode(modes.get(i % 4))
        .maxTokens(12 + i)
        .temperature(i % 3)
        .seed(i);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void eightThreadsGetTheSameAnswersAsOne(String backend) throws Exception {
    Path network = TestModels.calibrated(temporary.resolve("network"), -4, "mean_logprob");
    try (Engine engine = TestModels.engine(Fixtures.dir(TestModels.BASE), network, backend);
        var threads = Executors.newFixedThreadPool(8)) {
      List<List<Integer>> expected = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        expected.add(engine.ask(question(i)).ids());
      }
      List<Callable<List<List<Integer>>>> askers = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int first = t; // all modes at once, in another order on every thread
        askers.add(
            () -> {
              List<List<Integer>> found = new ArrayList<>();
              for (int i = 0; i < 8; i++) {
                found.add(engine.ask(question((first + i) % 8)).ids());
              }
              return found;
            });
      }
      int first = 0;
      for (Future<List<List<Integer>>> asker : threads.invokeAll(askers)) {
        for (int i = 0; i < 8; i++) {
          assertEquals(expected.get((first + i) % 8), asker.get().get(i));
        }
        first++;
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void anotherThreadCancels(String backend) throws Exception {
    for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
      Cancellation cancellation = new Cancellation();
      CountDownLatch third = new CountDownLatch(1);
      Thread canceller =
          Thread.startVirtualThread(
              () -> {
                awaitUninterrupted(third);
                cancellation.cancel();
              });
      try (Engine engine = TestModels.engine(backend)) {
        Question question = question(1).mode(mode).maxTokens(200).cancelledBy(cancellation);
        List<Token> heard = new ArrayList<>();
        Answer answer =
            engine.ask(
                question,
                token -> {
                  heard.add(token);
                  if (heard.size() == 3) {
                    third.countDown();
                    join(canceller);
                  }
                });
        assertEquals(FinishReason.CANCELLED, answer.finishReason());
        assertEquals(3, answer.ids().size());
        assertEquals(3, heard.size());
        Answer again = engine.ask(question); // it stays thrown
        assertEquals(FinishReason.CANCELLED, again.finishReason());
        assertEquals(mode, again.mode());
        assertEquals(List.of(), again.ids());
        assertEquals("", again.text());
        assertEquals(2, engine.sample(question, 2).size());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void anInterruptEndsTheAnswer(String backend) {
    try (Engine engine = TestModels.engine(backend)) {
      Question question = question(1).mode(Mode.LATENT).maxTokens(200);
      Answer answer = engine.ask(question, token -> Thread.currentThread().interrupt());
      assertTrue(Thread.interrupted()); // as the caller's own code must learn of it
      assertEquals(FinishReason.CANCELLED, answer.finishReason());
      assertEquals(1, answer.ids().size());
      Answer whole = engine.ask(question.maxTokens(9));
      assertEquals(answer.ids(), whole.ids().subList(0, 1));
      assertEquals(9, whole.ids().size());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aListenersExceptionReachesTheCaller(String backend) {
    try (Engine engine = TestModels.engine(backend)) {
      for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
        Question question = question(2).mode(mode);
        Answer before = engine.ask(question);
        var thrown = new IllegalArgumentException("mine");
        AtomicInteger tokens = new AtomicInteger();
        TokenListener listener =
            token -> {
              if (tokens.incrementAndGet() == 3) {
                throw thrown;
              }
            };
        assertSame(
            thrown,
            assertThrows(IllegalArgumentException.class, () -> engine.ask(question, listener)));
        assertEquals(3, tokens.get());
        assertEquals(before.ids(), engine.ask(question).ids());
      }
    }
  }

  @Test
  void aListenerMayAskToo() {
    try (Engine engine = TestModels.engine("scalar")) {
      Question question = question(1).maxTokens(5).mode(Mode.LATENT);
      List<Integer> expected = engine.ask(question).ids();
      List<List<Integer>> inner = new ArrayList<>();
      Answer outer = engine.ask(question, token -> inner.add(engine.ask(question).ids()));
      assertEquals(expected, outer.ids());
      assertEquals(List.of(expected, expected, expected, expected, expected), inner);
    }
  }

  @Test
  void aListenerCannotClose() {
    try (Engine engine = TestModels.engine("scalar")) {
      Question question = question(1);
      Runnable close = engine::close;
      assertThrows(IllegalStateException.class, () -> engine.ask(question, token -> close.run()));
      assertEquals(12 + 1, engine.ask(question.mode(Mode.LATENT)).ids().size());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void closingLetsAnswersFinish(String backend) throws Exception {
    Engine engine = TestModels.engine(backend);
    Question question = question(1).mode(Mode.LATENT);
    List<Integer> expected = engine.ask(question).ids();
    CountDownLatch begun = new CountDownLatch(4);
    CountDownLatch goOn = new CountDownLatch(1);
    try (var threads = Executors.newFixedThreadPool(5)) {
      List<Future<Answer>> askers = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        AtomicInteger tokens = new AtomicInteger();
        askers.add(
            threads.submit(
                () ->
                    engine.ask(
                        question,
                        token -> {
                          if (tokens.incrementAndGet() == 3) {
                            begun.countDown();
                            awaitUninterrupted(goOn);
                          }
                        })));
      }
      begun.await();
      Future<?> closing = threads.submit(engine::close);
      int[] prompt = {1};
      GenerationOptions one = GenerationOptions.defaults().withMaxTokens(1);
      boolean refused = false;
      while (!refused) { // as soon as closing has begun
        try {
          engine.generate(prompt, one);
        } catch (IllegalStateException e) {
          refused = true;
        }
      }
      assertTrue(!closing.isDone());
      goOn.countDown();
      for (Future<Answer> asker : askers) {
        assertEquals(expected, asker.get().ids());
      }
      closing.get();
    }
    assertThrows(IllegalStateException.class, () -> engine.ask(question));
    assertThrows(IllegalStateException.class, () -> engine.sample(question, 2));
    assertThrows(IllegalStateException.class, () -> engine.score(new int[1], false, false));
    int[] ids = {1};
    for (Executable call :
        List.<Executable>of(() -> engine.encode("x"), () -> engine.decode(ids))) {
      assertEquals(
          "the engine is closed", assertThrows(IllegalStateException.class, call).getMessage());
    }
    engine.close(); // a second time does no harm
  }

  private static void awaitUninterrupted(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
