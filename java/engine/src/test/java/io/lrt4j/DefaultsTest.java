package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is not asked for: the checkpoint's settings, and a seed of its own for every call. */
class DefaultsTest {
  private static final Question QUESTION = Question.of("1 + 2?").mode(Mode.DIRECT).maxTokens(16);

  @TempDir Path directory;

  private Engine engine(Consumer<ObjectNode> settings) {
    Path model = TestModels.copy(TestModels.BASE, directory.resolve("model"));
    TestModels.edit(model.resolve("generation_config.json"), settings);
    return TestModels.engine(model, null, "scalar");
  }

  @Test
  void withoutASeedOneIsDrawnAndTold() {
    try (Engine engine = engine(c -> {})) {
      Set<List<Integer>> different = new HashSet<>();
      for (int i = 0; i < 8; i++) {
        Answer answer = engine.ask(QUESTION.temperature(2));
        different.add(answer.ids());
        Long seed = Objects.requireNonNull(answer.seed());
        Answer again = engine.ask(QUESTION.temperature(2).seed(seed));
        assertEquals(answer.ids(), again.ids());
        assertEquals(seed, again.seed());
      }
      assertNotEquals(1, different.size());
      List<Answer> samples = engine.sample(QUESTION.temperature(2), 3);
      long first = Objects.requireNonNull(samples.getFirst().seed());
      assertEquals(
          List.of(first, first + 1, first + 2), samples.stream().map(Answer::seed).toList());
      int[] prompt = {32, 33};
      GenerationOptions hot = GenerationOptions.defaults().withTemperature(2).withMaxTokens(16);
      assertNotEquals(engine.generate(prompt, hot).seed(), engine.generate(prompt, hot).seed());
      assertNull(engine.ask(QUESTION).seed()); // greedy
    }
  }

  @Test
  void aQuestionIsAnsweredAsTheCheckpointAsks() {
    try (Engine engine =
        engine(c -> c.put("do_sample", true).put("temperature", 1.9).put("top_k", 7))) {
      assertEquals(1.9f, engine.defaultOptions().temperature());
      Answer sampled = engine.ask(QUESTION);
      long seed = Objects.requireNonNull(sampled.seed());
      GenerationOptions same =
          GenerationOptions.defaults()
              .withTemperature(1.9f)
              .withTopK(7)
              .withSeed(seed)
              .withMaxTokens(16);
      assertEquals(engine.ask(QUESTION.options(same)).ids(), sampled.ids());
      assertNull(engine.ask(QUESTION.temperature(0)).seed());
      assertNull(engine.ask(QUESTION.options(GenerationOptions.defaults())).seed());
    }
  }

  /** Each of them leaves the most probable token alone. */
  @ParameterizedTest
  @ValueSource(strings = {"top_k: 1", "top_p: 0.000001", "min_p: 1.0"})
  void filtersCountWithoutDoSample(String filter) {
    String[] parts = filter.split(": ", -1);
    try (Engine engine =
        engine(
            c -> {
              if (parts[0].equals("top_k")) {
                c.put(parts[0], 1);
              } else {
                c.put(parts[0], Double.parseDouble(parts[1]));
              }
            })) {
      Answer greedy = engine.ask(QUESTION);
      assertEquals(greedy.ids(), engine.ask(QUESTION.temperature(3)).ids());
      assertNotEquals(
          greedy.ids(), engine.ask(QUESTION.temperature(3).topK(0).topP(1).minP(0).seed(5)).ids());
    }
  }

  @Test
  void thePenaltyCountsInGreedyAnswers() {
    try (Engine engine = engine(c -> c.put("repetition_penalty", 1.8))) {
      Answer answer = engine.ask(QUESTION);
      assertEquals(answer.ids(), engine.ask(QUESTION.repetitionPenalty(1.8f)).ids());
      assertNotEquals(answer.ids(), engine.ask(QUESTION.repetitionPenalty(1)).ids());
    }
  }
}
