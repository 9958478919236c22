package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Answer;
import io.lrt4j.Answer.TokenCounts;
import io.lrt4j.Cancellation;
import io.lrt4j.FinishReason;
import io.lrt4j.Fixtures;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkShape;
import io.lrt4j.reasoning.SpyBackend.Run;
import io.lrt4j.reasoning.SpyBackend.Step;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The promises of the algorithm, row by row: the question is encoded once, t latents take the place
 * of the thinking, and nothing is ever computed again. Every forward pass of base model and network
 * is compared with what the mode says must happen, and nothing else must.
 */
class PipelineTest {
  private static final Question QUESTION =
      Question.of("Tom has 3 apples and buys 4 more. How many apples?")
          .options(GenerationOptions.defaults().withMaxTokens(12).withIgnoreEos(true));

  @TempDir Path temporary;

  /** The passes of one question, in the order in which they must come. */
  private static final class Trace {
    private final List<Step> steps = new ArrayList<>();
    private final int baseLayers;
    private final int networkLayers;
    private int length; // of the base model's cache

    Trace(int baseLayers, int networkLayers) {
      this.baseLayers = baseLayers;
      this.networkLayers = networkLayers;
    }

    /** One pass of the base model over {@code rows} more rows of {@code sequences} sequences. */
    Trace base(int rows, int sequences) {
      steps.add(new Step(baseLayers, Collections.nCopies(sequences, new Run(length, rows))));
      length += rows;
      return this;
    }

    /** The network: over question and queries, or over the queries alone. */
    Trace network(Fusion fusion, int n, int t) {
      steps.add(new Step(networkLayers, List.of(new Run(0, fusion == Fusion.APPEND ? n + t : t))));
      return this;
    }

    /** A pass for every token but the last, which nobody needs to read. */
    Trace answer(int tokens, int sequences) {
      for (int i = 1; i < tokens; i++) {
        base(1, sequences);
      }
      return this;
    }

    /** Thinking that is closed with {@code forced} tokens, together with its last token. */
    Trace forced(int thinking, int forced, int answer, int sequences) {
      return answer(thinking, sequences).base(1 + forced, sequences).answer(answer, sequences);
    }

    Trace backTo(int length) {
      this.length = length;
      return this;
    }

    List<Step> steps() {
      return steps;
    }
  }

  @ParameterizedTest
  @EnumSource(Fusion.class)
  void latent(Fusion fusion) {
    boolean append = fusion == Fusion.APPEND;
    Path base = Fixtures.dir(append ? TestModels.BASE : TestModels.HADAMARD_BASE);
    Path network = Fixtures.dir(append ? TestModels.APPEND : TestModels.HADAMARD);
    int t = append ? 8 : 6;
    try (var m = new SpiedModel(base, network)) {
      int n = m.tokens(QUESTION);
      int close = m.encode("\n</think>\n\n").size();
      for (int round = 0; round < 2; round++) { // a used session does as a new one
        Answer answer = m.ask(QUESTION.mode(Mode.LATENT));

        Trace expected = new Trace(3, 2).base(n, 1).network(fusion, n, t).base(t + close, 1);
        assertEquals(expected.answer(12, 1).steps(), m.spy.takeSteps());
        assertEquals(new TokenCounts(n + close, t, 0, 12), answer.tokens());
      }
    }
  }

  @Test
  void direct() {
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), null)) {
      Answer answer = m.ask(QUESTION.mode(Mode.DIRECT));

      // The template's own empty block, where the open one would be: "\n</think>\n\n" more.
      int n = m.tokens(QUESTION) + m.encode("\n</think>\n\n").size();
      assertEquals(new TokenCounts(n, 0, 0, 12), answer.tokens());
      assertEquals(new Trace(3, 0).base(n, 1).answer(12, 1).steps(), m.spy.takeSteps());
    }
  }

  @Test
  void explicit() {
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), null)) {
      int n = m.tokens(QUESTION);
      int forced = m.encode("\n</think>\n\nFinal Answer: ").size();

      Answer answer = m.ask(QUESTION.mode(Mode.EXPLICIT));

      assertEquals(new TokenCounts(n + forced, 0, 9, 3), answer.tokens());
      assertEquals(new Trace(3, 0).base(n, 1).forced(9, forced, 3, 1).steps(), m.spy.takeSteps());
    }
  }

  @Test
  void autoThatIsConfident() {
    Path network = TestModels.calibrated(temporary.resolve("net"), -1e9, "mean_logprob");
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network)) {
      Answer answer = m.ask(QUESTION.mode(Mode.AUTO));
      List<Step> auto = m.spy.takeSteps();

      assertEquals(Mode.LATENT, answer.mode());
      assertEquals(m.ask(QUESTION.mode(Mode.LATENT)).ids(), answer.ids());
      assertEquals(m.spy.takeSteps(), auto);
    }
  }

  /** The fallback runs no row of the question again. */
  @Test
  void autoThatIsInDoubt() {
    Path network = TestModels.calibrated(temporary.resolve("net"), 1e9, "mean_logprob");
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network)) {
      int n = m.tokens(QUESTION);
      int close = m.encode("\n</think>\n\n").size();
      int forced = m.encode("\n</think>\n\nFinal Answer: ").size();

      Answer answer = m.ask(QUESTION.mode(Mode.AUTO));

      Trace expected =
          new Trace(3, 2)
              .base(n, 1)
              .network(Fusion.APPEND, n, 8)
              .base(8 + close, 1)
              .answer(12, 1)
              .backTo(n)
              .forced(9, forced, 3, 1);
      assertEquals(expected.steps(), m.spy.takeSteps());
      assertEquals(Mode.EXPLICIT, answer.mode());
      assertEquals(new TokenCounts(n + forced, 0, 9, 3), answer.tokens());
      assertEquals(m.ask(QUESTION.mode(Mode.EXPLICIT)).ids(), answer.ids());
    }
  }

  /** A latent answer that is called off is what there is, and no doubt about it begins another. */
  @Test
  void autoThatIsCalledOff() {
    Path network = TestModels.calibrated(temporary.resolve("net"), 1e9, "mean_logprob");
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network)) {
      Cancellation cancellation = new Cancellation();
      m.spy.beforeStep(
          step -> {
            if (step == 5) { // after question, network, latents and two tokens
              cancellation.cancel();
            }
          });
      Answer cancelled = m.ask(QUESTION.mode(Mode.AUTO).cancelledBy(cancellation));
      assertEquals(Mode.LATENT, cancelled.mode());
      assertEquals(FinishReason.CANCELLED, cancelled.finishReason());
      assertTrue(cancelled.ids().size() >= 2, cancelled.ids().toString());
      m.spy.takeSteps();

      Duration timeout = Duration.ofMillis(300);
      m.spy.beforeStep(
          step -> {
            if (step == 5) {
              long from = System.nanoTime();
              while (System.nanoTime() - from <= timeout.toNanos()) {
                Thread.onSpinWait();
              }
            }
          });
      Answer late = m.ask(QUESTION.mode(Mode.AUTO).timeout(timeout));
      assertEquals(Mode.LATENT, late.mode());
      assertEquals(FinishReason.TIMEOUT, late.finishReason());
    }
  }

  @Test
  void samplesShareQuestionAndLatents() {
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), Fixtures.dir(TestModels.APPEND))) {
      int n = m.tokens(QUESTION);
      int close = m.encode("\n</think>\n\n").size();
      Question sampled = QUESTION.mode(Mode.LATENT).temperature(1);

      List<Answer> answers = m.session.ask(sampled, 5, null);

      Trace expected = new Trace(3, 2).base(n, 1).network(Fusion.APPEND, n, 8).base(8 + close, 1);
      assertEquals(expected.answer(12, 5).steps(), m.spy.takeSteps());
      assertEquals(5, answers.size());
      answers.forEach(a -> assertEquals(new TokenCounts(n + close, 8, 0, 12), a.tokens()));
    }
  }

  @Test
  void samplesInDoubtThinkTogether() {
    Path network = TestModels.calibrated(temporary.resolve("net"), 1e9, "smallest_margin");
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network)) {
      int n = m.tokens(QUESTION);
      int close = m.encode("\n</think>\n\n").size();
      int forced = m.encode("\n</think>\n\nFinal Answer: ").size();

      m.session.ask(QUESTION.mode(Mode.AUTO), 3, null);

      Trace expected =
          new Trace(3, 2)
              .base(n, 1)
              .network(Fusion.APPEND, n, 8)
              .base(8 + close, 1)
              .answer(12, 3)
              .backTo(n)
              .forced(9, forced, 3, 3);
      assertEquals(expected.steps(), m.spy.takeSteps());
    }
  }

  @Test
  void moreSamplesThanFitOneStepTakeTurns() {
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), null)) {
      int n = m.tokens(QUESTION) + m.encode("\n</think>\n\n").size();
      m.session.ask(QUESTION.mode(Mode.DIRECT).temperature(1), 20, null);

      List<Step> steps = m.spy.takeSteps();
      assertEquals(new Step(3, List.of(new Run(0, n))), steps.getFirst());
      assertEquals(1 + 11 * 2, steps.size());
      for (int i = 0; i < 11; i++) { // those whose turn comes later have nothing of their own yet
        Run next = new Run(n + i, 1);
        assertEquals(new Step(3, Collections.nCopies(16, next)), steps.get(1 + i));
        assertEquals(new Step(3, Collections.nCopies(4, next)), steps.get(12 + i));
      }
    }
  }

  @Test
  void longQuestionsAreEncodedInChunks() {
    Question question = QUESTION.maxTokens(3);
    Question question600 = question.system("a b c d e f g h ".repeat(40)).mode(Mode.LATENT);
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), Fixtures.dir(TestModels.APPEND))) {
      int n = m.tokens(question600);
      int close = m.encode("\n</think>\n\n").size();
      assertTrue(n > 512 && n < 768, "tokens " + n);

      m.ask(question600);

      List<Step> steps = m.spy.takeSteps();
      Trace expected = new Trace(3, 2).base(256, 1).base(256, 1).base(n - 512, 1);
      Trace network = new Trace(2, 0).base(256, 1).base(256, 1).base(n - 512 + 8, 1);
      List<Step> all = new ArrayList<>(expected.steps());
      all.addAll(network.steps());
      Trace rest = new Trace(3, 2).backTo(n).base(8 + close, 1).answer(3, 1);
      all.addAll(rest.steps());
      assertEquals(all, steps);
    }
  }

  /** Reading a long question ends with the chunk that is under way. */
  @Test
  void aCancelledQuestionIsNotReadToItsEnd() {
    Cancellation cancellation = new Cancellation();
    Question question =
        QUESTION.system("a b c d e f g h ".repeat(40)).mode(Mode.LATENT).cancelledBy(cancellation);
    try (var m = new SpiedModel(Fixtures.dir(TestModels.BASE), Fixtures.dir(TestModels.APPEND))) {
      m.spy.beforeStep(
          step -> {
            if (step == 1) {
              cancellation.cancel();
            }
          });
      Answer answer = m.ask(question);
      assertEquals(FinishReason.CANCELLED, answer.finishReason());
      assertEquals(new Trace(3, 2).base(256, 1).base(256, 1).steps(), m.spy.takeSteps());
      assertEquals(List.of(), answer.ids());
      assertEquals(new TokenCounts(m.tokens(question), 0, 0, 0), answer.tokens());

      // The session is as good as new.
      assertEquals(12, m.ask(QUESTION.mode(Mode.LATENT)).ids().size());
    }
  }

  /**
   * A real question, a real tokenizer and template; the network is random, so the text is nonsense,
   * but the pipeline is not. The model is not in the repository.
   */
  @Test
  void gsm8kOnMiniMind2Small() {
    Path base = TestModels.shared("weights/minimind2-small");
    assumeTrue(Files.isDirectory(base), "no " + base);
    Path network = temporary.resolve("network");
    int baseLayers;
    NetworkShape shape;
    try (Checkpoint checkpoint = Checkpoint.open(base)) {
      baseLayers = checkpoint.config().layers();
      shape = NetworkShape.suiting(checkpoint.config());
    }
    Initializer.network(base, network, shape, 7);
    TestModels.edit(network.resolve("config.json"), c -> c.put("auto_threshold", 1e9));
    Question question =
        Question.of(TestModels.gsm8kQuestion())
            .options(GenerationOptions.defaults().withMaxTokens(16).withIgnoreEos(true));
    try (var m = new SpiedModel(base, network, "vector")) {
      int n = m.tokens(question);
      int t = shape.latents();
      int close = m.encode("\n</think>\n\n").size();
      int forced = m.encode("\n</think>\n\nFinal Answer: ").size();
      assertTrue(n > 64 && n < 256, "tokens " + n);
      for (Mode mode : Mode.values()) {
        Answer answer = m.ask(question.mode(mode));

        Trace expected = new Trace(baseLayers, shape.layers());
        switch (mode) {
          case DIRECT -> expected.base(answer.tokens().prompt(), 1).answer(16, 1);
          case EXPLICIT -> expected.base(n, 1).forced(12, forced, 4, 1);
          case LATENT ->
              expected.base(n, 1).network(Fusion.APPEND, n, t).base(t + close, 1).answer(16, 1);
          case AUTO ->
              expected
                  .base(n, 1)
                  .network(Fusion.APPEND, n, t)
                  .base(t + close, 1)
                  .answer(16, 1)
                  .backTo(n)
                  .forced(12, forced, 4, 1);
        }
        assertEquals(expected.steps(), m.spy.takeSteps(), mode.toString());
        assertEquals(mode == Mode.LATENT ? t : 0, answer.tokens().latent());
        assertEquals(16, answer.ids().size());
        assertTimings(answer, mode);
      }
    }
  }

  /** Stages that a mode has took time, the others none, and all together no more than the total. */
  private static void assertTimings(Answer answer, Mode mode) {
    Answer.Timings times = answer.timings();
    boolean reasons = mode == Mode.LATENT || mode == Mode.AUTO;
    assertTrue(times.encode() > 0 && times.decode() > 0, times.toString());
    assertEquals(reasons, times.reason() > 0, times.toString());
    assertEquals(reasons, times.prefill() > 0, times.toString());
    double stages = times.encode() + times.reason() + times.prefill() + times.decode();
    assertTrue(stages <= times.total() + 1e-6, times.toString());
    assertTrue(times.firstToken() > times.encode() && times.firstToken() <= times.total());
    assertEquals(1000.0 * 16 / times.decode(), answer.tokensPerSecond(), 1e-6);
  }
}
