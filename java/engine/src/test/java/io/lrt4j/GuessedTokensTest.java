package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tokens that are guessed and read together change nothing but the time. */
@Isolated("it counts what is guessed in a recording")
class GuessedTokensTest {
  private static final String SCHEMA =
      "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":9}";

  @TempDir Path temporary;

  private static Engine engine(Path model, String backend, PromptLookup lookup) {
    return Engine.load(
        model,
        EngineOptions.defaults()
            .withNetwork(model.equals(Fixtures.dir(TestModels.BASE)) ? network() : null)
            .withBackend(backend)
            .withThreads(2)
            .withPromptLookup(lookup));
  }

  private static Path network() {
    return Fixtures.dir(TestModels.APPEND);
  }

  private static List<GenerationOptions> options() {
    GenerationOptions greedy = GenerationOptions.defaults().withTemperature(0).withMaxTokens(70);
    GenerationOptions sampled = greedy.withTemperature(0.4f).withTopP(0.9f).withSeed(7);
    return List.of(
        greedy,
        greedy.withIgnoreEos(true).withTopLogprobs(3),
        greedy.withRepetitionPenalty(1.2f),
        greedy.withStop(List.of("e", "11")),
        greedy.withThinkingBudget(9),
        sampled,
        sampled.withTopK(3).withIgnoreEos(true).withMaxTokens(200),
        sampled.withFrequencyPenalty(0.1f).withPresencePenalty(0.2f),
        sampled.withJsonSchema(SCHEMA));
  }

  private record Heard(Answer answer, List<Token> tokens) {}

  private static List<Heard> answers(Engine engine) {
    List<Heard> all = new ArrayList<>();
    for (Mode mode : List.of(Mode.DIRECT, Mode.LATENT, Mode.EXPLICIT)) {
      for (GenerationOptions options : options()) {
        Question question =
            Question.of("1 2 3 1 2 3 1 2 3 4 and 1 2 3 1 2").mode(mode).options(options);
        List<Token> tokens = new ArrayList<>();
        all.add(new Heard(engine.ask(question, tokens::add), tokens));
        for (Answer sample : engine.sample(question.seed(1), 3)) {
          all.add(new Heard(sample, List.of()));
        }
      }
    }
    return all;
  }

  /** What of an answer does not depend on how long it took. */
  private static List<?> content(Heard heard) {
    Answer a = heard.answer;
    return List.of(
        a.ids(),
        a.logprobs(),
        a.text(),
        a.reasoning(),
        a.finishReason(),
        a.confidence(),
        heard.tokens);
  }

  @ParameterizedTest
  @MethodSource("io.lrt4j.TestModels#backends")
  @Timeout(120)
  void answersAreThoseWithout(String backend) throws IOException {
    Path model = Fixtures.dir(TestModels.BASE);
    List<Heard> expected;
    try (Engine engine = engine(model, backend, PromptLookup.OFF)) {
      expected = answers(engine);
    }
    List<Heard> got = new ArrayList<>();
    Guesses guesses =
        guesses(
            () -> {
              try (Engine engine = engine(model, backend, PromptLookup.ON)) {
                got.addAll(answers(engine));
              }
            });
    for (int i = 0; i < expected.size(); i++) {
      assertEquals(content(expected.get(i)), content(got.get(i)), "answer " + i);
    }
    if (List.of("vector", "native").contains(backend)) {
      assertTrue(guesses.right > 100 && guesses.made > guesses.right + 20, guesses.toString());
    } else {
      assertEquals(new Guesses(0, 0), guesses); // nothing is won by them
    }
  }

  /** A model that goes round: nearly all tokens are guessed, and none costs memory of its own. */
  @Test
  void whatRepeatsIsGuessed() throws IOException {
    Map<Integer, Integer> round = new HashMap<>();
    for (int id = 32; id < 44; id++) {
      round.put(id, id == 43 ? 32 : id + 1);
    }
    Path model = TestModels.scripted(temporary.resolve("model"), round, 50);
    GenerationOptions options = GenerationOptions.defaults().withTemperature(0).withMaxTokens(250);
    List<Integer> expected = new ArrayList<>();
    for (int i = 0; i < 250; i++) {
      expected.add(32 + (i + 1) % 12);
    }
    Guesses guesses =
        guesses(
            () -> {
              try (Engine engine = engine(model, "vector", PromptLookup.ON)) {
                assertEquals(expected, engine.generate(new int[] {32}, options).ids());
              }
            });
    assertTrue(guesses.right > 120 && guesses.made == guesses.right, guesses.toString());
  }

  private record Guesses(int made, int right) {}

  private Guesses guesses(Runnable work) throws IOException {
    Path file = temporary.resolve("recording.jfr");
    try (Recording recording = new Recording()) {
      recording.enable("io.lrt4j.Decode").withoutThreshold();
      recording.setDestination(file);
      recording.start();
      work.run();
      recording.stop();
    }
    int made = 0;
    int right = 0;
    for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
      if (event.getEventType().getName().equals("io.lrt4j.Decode")) {
        made += event.getInt("guessed");
        right += event.getInt("right");
      }
    }
    return new Guesses(made, right);
  }
}
