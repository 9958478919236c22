package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Batch invariance: whoever else is asking, in whatever order they come, whatever they ask for and
 * whenever they give up, an answer is the answer alone, bit for bit.
 */
class CompanyTest {
  @TempDir Path temporary;

  /** One of many kinds: modes, lengths of question and answer, greedy and sampled. */
  private static Question question(int kind) {
    List<Mode> modes = List.of(Mode.LATENT, Mode.DIRECT, Mode.EXPLICIT, Mode.AUTO);
    String text = "How many apples are " + kind + " and 3? ".repeat(1 + kind % 5 * 9);
    GenerationOptions greedy =
        GenerationOptions.defaults().withTemperature(0).withMaxTokens(3 + kind * 7 % 40);
    GenerationOptions sampled =
        greedy
            .withTemperature(0.8f)
            .withTopP(0.95f)
            .withRepetitionPenalty(kind % 2 == 0 ? 1 : 1.1f)
            .withSeed(kind);
    return Question.of(text).mode(modes.get(kind % 4)).options(kind % 3 == 0 ? greedy : sampled);
  }

  @ParameterizedTest
  @CsvSource({"scalar, 5, 5, 8", "vector, 24, 2, 30", "vector, 24, 16, 64", "vector, 24, 64, 96"})
  @Timeout(120)
  void anAnswerInCompanyIsTheAnswerAlone(String backend, int kinds, int callers, int some)
      throws Exception {
    int questions = some * Fuzz.FACTOR;
    Path network = TestModels.calibrated(temporary.resolve("network"), -4, "mean_logprob");
    EngineOptions options =
        EngineOptions.defaults()
            .withNetwork(network)
            .withBackend(backend)
            .withThreads(2)
            .withPromptLookup(PromptLookup.ON);
    try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE), options)) {
      List<Answer> alone = new ArrayList<>();
      for (int kind = 0; kind < kinds; kind++) {
        alone.add(engine.ask(question(kind)));
      }
      AtomicInteger next = new AtomicInteger();
      List<Future<Integer>> all = new ArrayList<>();
      try (var threads = Executors.newFixedThreadPool(callers)) {
        for (int c = 0; c < callers; c++) {
          int seed = c;
          all.add(threads.submit(() -> ask(engine, alone, seed, next, questions)));
        }
      }
      int answered = 0;
      for (Future<Integer> one : all) {
        answered += one.get();
      }
      assertEquals(questions, answered);
    }
  }

  private static int ask(
      Engine engine, List<Answer> alone, int seed, AtomicInteger next, int questions) {
    SplittableRandom random = new SplittableRandom(seed);
    int answered = 0;
    while (next.getAndIncrement() < questions) {
      int kind = random.nextInt(alone.size());
      Answer expected = alone.get(kind);
      if (random.nextInt(4) > 0) {
        assertSame(expected, engine.ask(question(kind)), kind);
      } else {
        Cancellation cancellation = new Cancellation();
        int most = 1 + random.nextInt(9);
        AtomicInteger heard = new AtomicInteger();
        Answer cancelled =
            engine.ask(
                question(kind).cancelledBy(cancellation),
                token -> {
                  if (heard.incrementAndGet() == most) {
                    cancellation.cancel();
                  }
                });
        if (cancelled.mode() == expected.mode()) {
          int n = cancelled.ids().size();
          assertEquals(expected.ids().subList(0, n), cancelled.ids(), "kind " + kind);
          assertEquals(expected.logprobs().subList(0, n), cancelled.logprobs(), "kind " + kind);
        }
      }
      answered++;
    }
    return answered;
  }

  private static void assertSame(Answer expected, Answer answer, int kind) {
    assertEquals(expected.ids(), answer.ids(), "kind " + kind);
    assertEquals(expected.logprobs(), answer.logprobs(), "kind " + kind);
    assertEquals(expected.text(), answer.text(), "kind " + kind);
    assertEquals(expected.reasoning(), answer.reasoning(), "kind " + kind);
    assertEquals(expected.mode(), answer.mode(), "kind " + kind);
    assertEquals(expected.finishReason(), answer.finishReason(), "kind " + kind);
    assertEquals(TestModels.counts(expected), TestModels.counts(answer), "kind " + kind);
    assertEquals(expected.confidence(), answer.confidence(), "kind " + kind);
  }
}
