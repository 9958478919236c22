package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.BackendException;
import io.lrt4j.Cancellation;
import io.lrt4j.FinishReason;
import io.lrt4j.Fixtures;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import io.lrt4j.TokenListener;
import io.lrt4j.model.Transformer;
import io.lrt4j.schedule.Scheduler;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.ObjIntConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What several callers of one model do to each other: share steps, and nothing else. */
@Timeout(60)
class SchedulingTest {
  private static final int CALLERS = 4;
  private static final List<Mode> MODES = List.of(Mode.values());

  private SpiedModel m =
      new SpiedModel(Fixtures.dir(TestModels.BASE), Fixtures.dir(TestModels.APPEND));

  @BeforeEach
  void forget() {
    m.spy.takeSteps();
  }

  @AfterEach
  void close() {
    m.close();
    assertEquals(0, m.spy.openMemories());
  }

  private static Question question(int i) {
    return Question.of("What is " + i + "+30?").mode(Mode.LATENT).maxTokens(30 + i).seed(i);
  }

  /** All callers, each in a session of its own; every one waits at its first token for all. */
  private List<Future<Answer>> askTogether(TokenListener listener) throws Exception {
    CyclicBarrier first = new CyclicBarrier(CALLERS);
    List<Callable<Answer>> callers = new ArrayList<>();
    for (int i = 0; i < CALLERS; i++) {
      Question question = question(i);
      AtomicBoolean begun = new AtomicBoolean();
      TokenListener waiting =
          token -> {
            if (!begun.getAndSet(true)) {
              awaitAll(first);
            }
            listener.onToken(token);
          };
      callers.add(
          () -> {
            try (Session session = new Session(m.model)) {
              return session.ask(question, 1, waiting).getFirst();
            }
          });
    }
    try (var threads = Executors.newFixedThreadPool(CALLERS)) {
      return threads.invokeAll(callers);
    }
  }

  private static void awaitAll(CyclicBarrier barrier) {
    try {
      barrier.await();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void callersShareSteps() throws Exception {
    List<Answer> expected = new ArrayList<>();
    for (int i = 0; i < CALLERS; i++) {
      expected.add(m.ask(question(i)));
    }
    int least = Integer.MAX_VALUE;
    int tokens = 4 * 29 + 6;
    // Who wakes up first writes alone until the others do, which may take it a while.
    for (int round = 0; round < 10 && least >= tokens / 2; round++) {
      m.spy.takeSteps();
      List<Future<Answer>> answers = askTogether(token -> {});
      for (int i = 0; i < CALLERS; i++) {
        assertEquals(expected.get(i).ids(), answers.get(i).get().ids());
        assertEquals(expected.get(i).logprobs(), answers.get(i).get().logprobs());
      }
      List<SpyBackend.Step> decoding =
          m.spy.takeSteps().stream().filter(s -> s.runs().getFirst().rows() == 1).toList();
      assertEquals(tokens, decoding.stream().mapToInt(s -> s.runs().size()).sum());
      least = Math.min(least, decoding.size());
    }
    assertTrue(least < tokens / 2, tokens + " tokens in " + least + " steps at least");
  }

  /** A step that fails is everybody's failure, who had a part in it, and nobody else's. */
  @Test
  void aFailureReachesAllThatShareTheStep() throws Exception {
    AtomicBoolean armed = new AtomicBoolean();
    m.spy.beforeStep(
        step -> {
          if (armed.getAndSet(false)) {
            throw new BackendException("the device is gone");
          }
        });
    List<Future<Answer>> answers = askTogether(token -> armed.set(armed.get() || token.id() >= 0));
    int failed = 0;
    for (Future<Answer> answer : answers) {
      try {
        answer.get();
      } catch (ExecutionException e) {
        assertTrue(e.getCause() instanceof BackendException, () -> "found " + e.getCause());
        failed++;
      }
    }
    assertTrue(failed > 0);
    m.spy.beforeStep(step -> {});
    assertEquals(FinishReason.LENGTH, m.ask(question(1)).finishReason());
  }

  /**
   * Called off during step {@code k}, of encoding or the network's pass: nothing more is computed.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void cancellingEndsWithTheChunkUnderWay(int k) {
    Cancellation cancellation = new Cancellation();
    m.spy.beforeStep(
        step -> {
          if (step == k) {
            cancellation.cancel();
          }
        });
    Answer answer = m.ask(question(1).cancelledBy(cancellation));
    assertEquals(FinishReason.CANCELLED, answer.finishReason());
    assertEquals(List.of(), answer.ids());
    assertEquals(k + 1, m.spy.takeSteps().size());
    m.spy.beforeStep(step -> {});
    assertEquals(31, m.ask(question(1)).ids().size());
  }

  enum Ending {
    CANCELLATION,
    INTERRUPT,
    TIMEOUT
  }

  private static Question mixed(int i) {
    String text = "What is " + i + "+30? ".repeat(1 + i % 3 * 20);
    return Question.of(text).mode(MODES.get(i % 4)).maxTokens(5 + i).seed(i);
  }

  /**
   * In all modes at once, at a random moment of encoding, reasoning, prefill and decoding: the step
   * under way is the last, although all but one of those who are called off wait in line.
   */
  @ParameterizedTest
  @EnumSource
  void whoeverIsCalledOffHasNoPartInAnotherStep(Ending ending, @TempDir Path temporary)
      throws Exception {
    restart(TestModels.calibrated(temporary.resolve("network"), -4, "mean_logprob"));
    List<Question> questions = IntStream.range(0, 6).mapToObj(SchedulingTest::mixed).toList();
    List<Answer> expected = questions.stream().map(m::ask).toList();
    m.spy.takeSteps();
    askInStep(questions, (threads, step) -> {});
    int all = m.spy.takeSteps().size();
    SplittableRandom random = new SplittableRandom(1);
    Duration time = Duration.ofMillis(300);
    int rounds = 0; // in which somebody was called off
    for (int round = 0; round < 5; round++) {
      int last = random.nextInt(all * 2 / 3);
      Cancellation cancellation = new Cancellation();
      List<Question> ended =
          questions.stream()
              .map(q -> ending == Ending.TIMEOUT ? q.timeout(time) : q.cancelledBy(cancellation))
              .toList();
      List<Answer> answers =
          askInStep(
              ended,
              (threads, step) -> {
                if (step == last) {
                  switch (ending) {
                    case CANCELLATION -> cancellation.cancel();
                    case INTERRUPT -> threads.forEach(Thread::interrupt);
                    case TIMEOUT -> sleep(time);
                  }
                }
              });
      int steps = m.spy.takeSteps().size();
      // Time may be over earlier, on a slow machine.
      assertTrue(
          ending == Ending.TIMEOUT ? steps <= last + 1 : steps == last + 1, "found " + steps);
      boolean ends = answers.stream().anyMatch(a -> a.finishReason() == reason(ending));
      // Or the callers shared more steps than when they were counted, and all were done by then.
      assertTrue(
          ends || ending == Ending.TIMEOUT,
          () -> steps + " steps of " + all + " to " + last + ": " + answers);
      rounds += ends ? 1 : 0;
      for (int i = 0; i < answers.size(); i++) {
        assertBegins(expected.get(i), answers.get(i), reason(ending));
      }
    }
    assertTrue(rounds > 1, "called off in " + rounds + " rounds");
    // Nothing is left over of them.
    assertEquals(expected.getFirst().ids(), m.ask(questions.getFirst()).ids());
  }

  private static void sleep(Duration time) {
    try {
      Thread.sleep(time);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static FinishReason reason(Ending ending) {
    return ending == Ending.TIMEOUT ? FinishReason.TIMEOUT : FinishReason.CANCELLED;
  }

  private static void assertBegins(Answer expected, Answer answer, FinishReason reason) {
    if (answer.finishReason() != reason) {
      assertEquals(expected.ids(), answer.ids());
    } else if (answer.mode() == expected.mode()) {
      int n = answer.ids().size();
      assertEquals(expected.ids().subList(0, n), answer.ids());
      assertEquals(expected.logprobs().subList(0, n), answer.logprobs());
    }
  }

  /** Half of the callers are called off, at a random moment; the others lose nothing. */
  @Test
  void callingOffIsNobodyElsesBusiness(@TempDir Path temporary) throws Exception {
    restart(TestModels.calibrated(temporary.resolve("network"), -4, "mean_logprob"));
    List<Question> questions = IntStream.range(0, 6).mapToObj(SchedulingTest::mixed).toList();
    List<Answer> expected = questions.stream().map(m::ask).toList();
    SplittableRandom random = new SplittableRandom(2);
    for (int round = 0; round < 5; round++) {
      m.spy.takeSteps();
      int moment = random.nextInt(16);
      Cancellation cancellation = new Cancellation();
      int rest = round % 2;
      List<Question> half =
          IntStream.range(0, 6)
              .mapToObj(
                  i ->
                      i / 3 == rest ? questions.get(i).cancelledBy(cancellation) : questions.get(i))
              .toList();
      List<Answer> answers =
          askInStep(
              half,
              (threads, step) -> {
                if (step == moment) {
                  cancellation.cancel();
                }
              });
      for (int i = 0; i < 6; i++) {
        if (i / 3 == rest) {
          assertBegins(expected.get(i), answers.get(i), FinishReason.CANCELLED);
        } else {
          assertEquals(expected.get(i).ids(), answers.get(i).ids());
          assertEquals(expected.get(i).logprobs(), answers.get(i).logprobs());
          assertEquals(expected.get(i).finishReason(), answers.get(i).finishReason());
        }
      }
    }
  }

  private void restart(Path network) {
    m.close();
    m = new SpiedModel(Fixtures.dir(TestModels.BASE), network);
  }

  /** Time that is over in step {@code k}: encoding, the network's pass, the prefill of latents. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void timeThatIsOverEndsWithTheChunkUnderWay(int k) {
    Duration time = Duration.ofMillis(400);
    m.spy.beforeStep(
        step -> {
          if (step == k) {
            sleep(time);
          }
        });
    Answer answer = m.ask(question(1).timeout(time));
    assertEquals(FinishReason.TIMEOUT, answer.finishReason());
    assertEquals(List.of(), answer.ids());
    assertTrue(m.spy.takeSteps().size() <= k + 1);
    assertEquals(
        0, m.session.latents(question(1).timeout(time), System.nanoTime() - time.toNanos()).length);
    assertEquals(0, m.spy.takeSteps().size());
  }

  @Test
  void aListenersFailureIsItsOwn() throws Exception {
    Thread main = Thread.currentThread();
    List<Answer> expected = List.of(m.ask(question(0)), m.ask(question(3)));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            m.ask(
                question(2),
                token -> {
                  assertEquals(main, Thread.currentThread());
                  throw new IllegalArgumentException("mine");
                }));
    assertEquals(expected.getFirst().ids(), m.ask(question(0)).ids());
    assertEquals(expected.getLast().ids(), m.ask(question(3)).ids());
  }

  /** Each caller asks in a session of its own; during a step all others wait for the next one. */
  private List<Answer> askInStep(List<Question> questions) throws InterruptedException {
    return askInStep(questions, (threads, step) -> {});
  }

  /** The same, with something to be done in every step once all others wait. */
  private List<Answer> askInStep(List<Question> questions, ObjIntConsumer<List<Thread>> inStep)
      throws InterruptedException {
    return askInStep(questions, 1, inStep).stream().map(List::getFirst).toList();
  }

  private List<List<Answer>> askInStep(
      List<Question> questions, int samples, ObjIntConsumer<List<Thread>> inStep)
      throws InterruptedException {
    List<Thread> threads = new ArrayList<>();
    List<List<Answer>> answers = new ArrayList<>();
    // Who has not been started yet is not waited for.
    var started = new CountDownLatch(questions.size());
    for (int i = 0; i < questions.size(); i++) {
      answers.add(List.of());
      int caller = i;
      threads.add(
          new Thread(
              () -> {
                started.countDown();
                try (Session session = new Session(m.model)) {
                  started.await();
                  answers.set(caller, session.ask(questions.get(caller), samples, null));
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
              }));
    }
    m.spy.beforeStep(
        step -> {
          for (Thread thread : threads) {
            while (!thread.equals(Thread.currentThread())
                && thread.isAlive()
                && !m.model.scheduler().equals(LockSupport.getBlocker(thread))) {
              sleep(Duration.ofNanos(100_000));
            }
          }
          inStep.accept(threads, step);
        });
    threads.forEach(Thread::start);
    for (Thread thread : threads) {
      thread.join();
    }
    m.spy.beforeStep(step -> {});
    return answers;
  }

  /** A long question is read beside those who decode, a little at a time. */
  @Test
  void readingDoesNotHoldUpDecoding() throws InterruptedException {
    Question question = Question.of("a b c d e f g h ".repeat(80)).mode(Mode.DIRECT).maxTokens(1);
    List<Question> questions = List.of(question, question(9).mode(Mode.DIRECT));
    List<Answer> expected = questions.stream().map(m::ask).toList();
    m.spy.takeSteps();

    List<Answer> answers = askInStep(questions);

    int mixed = 0;
    int read = 0;
    for (SpyBackend.Step step : m.spy.takeSteps()) {
      int rows = step.runs().stream().mapToInt(SpyBackend.Run::rows).sum();
      boolean decodes = step.runs().stream().anyMatch(r -> r.rows() == 1 && r.start() > 0);
      if (decodes && rows > 1) {
        mixed++;
        assertTrue(rows <= 1 + Scheduler.READ_BESIDE, () -> "found " + step);
      }
      read += rows;
    }
    assertTrue(mixed > 0);
    int once = 0; // every row once, and no row for the last token
    for (Answer answer : answers) {
      once += answer.tokens().prompt() + answer.tokens().answer() - 1;
    }
    assertEquals(once, read);
    for (int i = 0; i < 2; i++) {
      assertEquals(expected.get(i).ids(), answers.get(i).ids());
      assertEquals(expected.get(i).logprobs(), answers.get(i).logprobs());
    }
  }

  /** Nor whoever has been read by then: a step that ends a question has few rows of a long one. */
  @Test
  void readingDoesNotHoldUpAFirstToken() throws InterruptedException {
    Question far = Question.of("a b c d e f g h ".repeat(80)).mode(Mode.DIRECT).maxTokens(1);
    Question near = Question.of("What is 1+30?").mode(Mode.DIRECT).maxTokens(1);
    int end = m.ask(near).tokens().prompt();
    m.spy.takeSteps();

    askInStep(List.of(far, near, near)); // one of the near ones may be alone in the first step

    int ended = 0;
    for (SpyBackend.Step step : m.spy.takeSteps()) {
      int others =
          step.runs().stream()
              .filter(r -> r.start() + r.rows() != end)
              .mapToInt(SpyBackend.Run::rows)
              .sum();
      if (others > 0 && step.runs().stream().anyMatch(r -> r.start() + r.rows() == end)) {
        ended++;
        assertTrue(others <= Scheduler.READ_BESIDE, () -> "found " + step);
      }
    }
    assertTrue(ended > 0);
  }

  /** The questions' rows share passes of the base model, and passes of the network. */
  @Test
  void questionsAreReadAndThoughtAboutTogether() throws InterruptedException {
    List<Question> questions = IntStream.range(0, 5).mapToObj(SchedulingTest::question).toList();
    List<Answer> expected = questions.stream().map(m::ask).toList();
    m.spy.takeSteps();

    List<Answer> answers = askInStep(questions);

    List<SpyBackend.Step> steps = m.spy.takeSteps();
    for (int layers : new int[] {2, 3}) {
      assertTrue(
          steps.stream()
              .anyMatch(
                  s ->
                      s.layers() == layers
                          && s.runs().stream().filter(r -> r.rows() > 1).count() > 1),
          () -> layers + " layers: " + steps);
    }
    for (int i = 0; i < 5; i++) {
      assertEquals(expected.get(i).ids(), answers.get(i).ids());
      assertEquals(expected.get(i).logprobs(), answers.get(i).logprobs());
    }
  }

  /** Thoughts that are closed take several rows each: more than a step has for all of them. */
  @Test
  void whatDoesNotFitComesInTheNextStep() throws InterruptedException {
    int samples = 16;
    Question question = question(1).mode(Mode.EXPLICIT).thinkingBudget(5).maxTokens(12);
    List<Question> questions = List.of(question, question.seed(8), question.seed(9));
    List<List<Answer>> expected = new ArrayList<>();
    for (Question one : questions) {
      try (Session session = new Session(m.model)) {
        expected.add(session.ask(one, samples, null));
      }
    }
    m.spy.takeSteps();
    List<List<Answer>> answers = askInStep(questions, samples, (threads, step) -> {});
    int closing = 0;
    for (SpyBackend.Step step : m.spy.takeSteps()) {
      int rows = step.runs().stream().mapToInt(SpyBackend.Run::rows).sum();
      assertTrue(rows <= Transformer.CHUNK, () -> "found " + step);
      closing += step.runs().size() >= samples && rows > Transformer.CHUNK / 2 ? 1 : 0;
    }
    assertEquals(questions.size(), closing); // two of them would not have fitted into one
    for (int i = 0; i < questions.size(); i++) {
      for (int k = 0; k < samples; k++) {
        Answer answer = answers.get(i).get(k);
        assertEquals(expected.get(i).get(k).ids(), answer.ids());
        assertEquals(expected.get(i).get(k).logprobs(), answer.logprobs());
      }
    }
  }

  /** Once in a step, for whoever decodes and whoever has been read to his end: a row a token. */
  @Test
  void theHeadIsReadOnceForAll() throws InterruptedException {
    List<Question> questions = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      Mode mode = List.of(Mode.DIRECT, Mode.LATENT, Mode.EXPLICIT).get(i % 3);
      String text = "What is " + i + "+30? ".repeat(1 + i % 2 * 50);
      questions.add(Question.of(text).mode(mode).maxTokens(3 + i));
    }
    List<Answer> expected = questions.stream().map(m::ask).toList();
    m.spy.takeSteps();
    m.spy.takeProducts(0);

    List<Answer> answers = askInStep(questions);

    List<Integer> heads = m.spy.takeProducts(m.model.vocabularySize());
    List<SpyBackend.Step> steps = m.spy.takeSteps();
    int layers = m.model.transformer().config().layers();
    long ofModel = steps.stream().filter(s -> s.layers() == layers).count();
    assertTrue(heads.size() <= ofModel, heads.size() + " in " + ofModel + " steps");
    int tokens = answers.stream().mapToInt(a -> a.ids().size()).sum();
    assertEquals(tokens, heads.stream().mapToInt(Integer::intValue).sum());
    for (int i = 0; i < answers.size(); i++) {
      assertEquals(expected.get(i).ids(), answers.get(i).ids());
      assertEquals(expected.get(i).logprobs(), answers.get(i).logprobs());
    }
  }

  @Test
  void scoringEndsWithTheChunkUnderWay() {
    int[] ids = new int[700];
    m.spy.beforeStep(
        step -> {
          if (step == 1) {
            Thread.currentThread().interrupt();
          }
        });
    assertThrows(CancellationException.class, () -> m.session.score(ids, false, false));
    assertTrue(Thread.interrupted());
    assertEquals(2, m.spy.takeSteps().size());
  }
}
