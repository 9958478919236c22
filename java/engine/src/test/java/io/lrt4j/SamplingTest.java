package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Same seed, same backend, same tokens: whatever the threads, alone or among other samples. */
class SamplingTest {
  private static final Question QUESTION =
      Question.of("Tom has 3 apples and buys 4 more. How many apples?")
          .maxTokens(20)
          .temperature(1.2f)
          .topP(0.95f)
          .seed(41);

  @TempDir Path temporary;

  static List<String> backends() {
    return TestModels.backends().toList();
  }

  /** Half of the answers to {@link #QUESTION} are above the threshold. */
  private Path halfwayNetwork(String backend) {
    try (Engine engine = TestModels.engine(backend)) {
      double[] confidences =
          engine.sample(QUESTION.mode(Mode.LATENT), 20).stream()
              .mapToDouble(a -> a.confidence().meanLogprob())
              .sorted()
              .toArray();
      return TestModels.calibrated(
          temporary.resolve(backend), (confidences[9] + confidences[10]) / 2, "mean_logprob");
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aSampleIsTheAnswerWithItsSeed(String backend) {
    Path network = halfwayNetwork(backend);
    try (Engine engine = TestModels.engine(Fixtures.dir(TestModels.BASE), network, backend)) {
      for (Mode mode : Mode.values()) {
        Question question = QUESTION.mode(mode);
        List<Answer> samples = engine.sample(question, 20); // more than one step takes
        Set<Mode> modes = EnumSet.noneOf(Mode.class);
        Set<List<Integer>> different = new HashSet<>();
        for (int i = 0; i < samples.size(); i++) {
          Answer alone = engine.ask(question.seed(41 + i));
          assertSame(alone, samples.get(i));
          modes.add(alone.mode());
          different.add(alone.ids());
        }
        assertEquals(mode == Mode.AUTO ? Set.of(Mode.LATENT, Mode.EXPLICIT) : Set.of(mode), modes);
        assertTrue(different.size() > 15, mode + ": " + different.size());
      }
    }
  }

  @Test
  void theNumberOfThreadsDoesNotMatter() {
    for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
      List<Answer> answers = new ArrayList<>();
      for (int threads = 1; threads <= 3; threads++) {
        EngineOptions options =
            EngineOptions.defaults()
                .withBackend("vector")
                .withThreads(threads)
                .withNetwork(Fixtures.dir(TestModels.APPEND));
        try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE), options)) {
          answers.add(engine.ask(QUESTION.mode(mode)));
          assertSame(answers.getFirst(), answers.getLast());
          assertSame(answers.getFirst(), engine.ask(QUESTION.mode(mode)));
          assertNotEquals(answers.getFirst().ids(), engine.ask(QUESTION.mode(mode).seed(1)).ids());
        }
      }
    }
  }

  private static void assertSame(Answer expected, Answer found) {
    assertEquals(expected.ids(), found.ids());
    assertEquals(expected.logprobs(), found.logprobs());
    assertEquals(expected.text(), found.text());
    assertEquals(expected.reasoning(), found.reasoning());
    assertEquals(expected.mode(), found.mode());
    assertEquals(TestModels.counts(expected), TestModels.counts(found));
    assertEquals(expected.confidence(), found.confidence());
    assertEquals(expected.finishReason(), found.finishReason());
  }

  /** Greedy decoding with a penalty, recomputed token by token from the model's logits. */
  @ParameterizedTest
  @MethodSource("backends")
  void repetitionPenalty(String backend) {
    int[] prompt = {64, 65, 66, 67};
    float penalty = 1.5f;
    GenerationOptions options =
        GenerationOptions.defaults()
            .withMaxTokens(40)
            .withIgnoreEos(true)
            .withRepetitionPenalty(penalty);
    try (Engine engine = TestModels.engine(backend)) {
      Answer answer = engine.generate(prompt, options);
      int[] all =
          IntStream.concat(Arrays.stream(prompt), answer.ids().stream().mapToInt(Integer::intValue))
              .toArray();
      Scores scores = engine.score(all, true, false);
      float[][] logits = Objects.requireNonNull(scores.logits());
      for (int i = prompt.length; i < all.length; i++) {
        float[] row = logits[i - 1].clone();
        Arrays.stream(all, 0, i)
            .distinct()
            .forEach(id -> row[id] = row[id] < 0 ? row[id] * penalty : row[id] / penalty);
        int best = 0;
        for (int id = 1; id < row.length; id++) {
          best = row[id] > row[best] ? id : best;
        }
        assertEquals(best, all[i], "token " + i);
        assertEquals(scores.logprobs()[i], answer.logprobs().get(i - prompt.length));
      }
      Answer without = engine.generate(prompt, options.withRepetitionPenalty(1));
      assertNotEquals(without.ids(), answer.ids());
    }
  }

  /** Greedy decoding with penalties, and what else might have been, from the model's logits. */
  @Test
  void alternativesAndPenaltiesOfWhatWasWritten() {
    int[] prompt = {64, 65, 66, 67};
    GenerationOptions options =
        GenerationOptions.defaults()
            .withMaxTokens(20)
            .withIgnoreEos(true)
            .withPresencePenalty(0.2f)
            .withFrequencyPenalty(0.1f)
            .withTopLogprobs(3);
    List<Token> tokens = new ArrayList<>();
    try (Engine engine = TestModels.engine("scalar")) {
      Answer answer = engine.generate(prompt, options, tokens::add);
      int[] all =
          IntStream.concat(Arrays.stream(prompt), answer.ids().stream().mapToInt(Integer::intValue))
              .toArray();
      float[][] logits = Objects.requireNonNull(engine.score(all, true, false).logits());
      int changed = 0;
      for (int i = prompt.length; i < all.length; i++) {
        float[] own = logits[i - 1];
        float[] row = own.clone();
        for (int j = prompt.length; j < i; j++) {
          row[all[j]] -= 0.1f;
        }
        Arrays.stream(all, prompt.length, i).distinct().forEach(id -> row[id] -= 0.2f);
        assertEquals(ranked(row).getFirst(), all[i], "token " + i);
        Token token = tokens.get(i - prompt.length);
        List<Integer> best = ranked(own).subList(0, 3);
        assertEquals(best, token.alternatives().stream().map(Token.Choice::id).toList());
        for (Token.Choice choice : token.alternatives()) {
          float difference = own[choice.id()] - own[all[i]];
          assertEquals(difference, choice.logprob() - token.logprob(), 1e-5);
        }
        changed += best.getFirst() == all[i] ? 0 : 1;
      }
      assertTrue(changed > 0); // by the penalties
      List<Token> plain = new ArrayList<>();
      Answer _ = engine.generate(prompt, options.withTopLogprobs(0), plain::add);
      assertEquals(answer.ids(), plain.stream().map(Token::id).toList());
      assertTrue(plain.stream().allMatch(t -> t.alternatives().isEmpty()));
    }
  }

  private static List<Integer> ranked(float[] row) {
    return IntStream.range(0, row.length)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer id) -> -row[id]).thenComparingInt(id -> id))
        .toList();
  }
}
