package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Options are unset until they are set, and merged. */
class OptionsTest {
  private static final GenerationOptions CHECKPOINT =
      GenerationOptions.defaults().toBuilder().temperature(0.6f).topK(20).build();

  @Test
  void whatIsUnsetIsTakenFromTheOthers() {
    GenerationOptions asked = GenerationOptions.builder().topK(5).seed(1L).build();
    GenerationOptions merged = asked.over(CHECKPOINT);
    assertEquals(0.6f, merged.temperature());
    assertEquals(5, merged.topK());
    assertEquals(1L, merged.seed());
    assertEquals(512, merged.maxTokens());
    assertEquals(CHECKPOINT, GenerationOptions.unset().over(CHECKPOINT));
    assertEquals(CHECKPOINT, CHECKPOINT.over(merged.withSeed(3)).toBuilder().seed(null).build());
  }

  @Test
  void whatIsSetToADefaultIsSet() {
    GenerationOptions greedy = GenerationOptions.builder().temperature(0f).build();
    assertEquals(0, greedy.over(CHECKPOINT).temperature());
    assertEquals(20, greedy.over(CHECKPOINT).topK());
    assertEquals(0, GenerationOptions.defaults().over(CHECKPOINT).temperature());
    assertEquals(0, Question.of("a").temperature(0).optionsOver(CHECKPOINT).temperature());
    assertEquals(0.6f, Question.of("a").topP(0.5f).optionsOver(CHECKPOINT).temperature());
  }

  @Test
  void unsetReadsAsTheDefault() {
    assertEquals(512, GenerationOptions.unset().maxTokens());
    assertEquals(List.of(), GenerationOptions.unset().stop());
    assertNull(GenerationOptions.unset().cancellation());
    assertNotEquals(GenerationOptions.unset(), GenerationOptions.defaults());
    assertEquals(
        GenerationOptions.defaults(), GenerationOptions.unset().over(GenerationOptions.defaults()));
    assertTrue(
        GenerationOptions.defaults().toString().startsWith("GenerationOptions[maxTokens=512,"));
  }

  @Test
  void aQuestionsOptionsAreSetOneByOneOrAtOnce() {
    Question question = Question.of("a").maxTokens(3).thinkingBudget(7);
    assertEquals(
        GenerationOptions.builder().maxTokens(3).thinkingBudget(7).build(), question.options());
    GenerationOptions other = GenerationOptions.builder().minP(0.5f).build();
    assertEquals(other, question.options(other).options());
  }

  @Test
  void whatIsOutOfRangeIsRefused() {
    var builder = GenerationOptions.builder();
    refuses("max tokens must be at least 1, found 0", () -> builder.maxTokens(0).build());
    refuses(
        "tokens for thinking must be 0 (shared with the answer) or more, found -1",
        () -> GenerationOptions.unset().withThinkingBudget(-1));
    refuses(
        "temperature must be 0 or more, found NaN", () -> Question.of("a").temperature(Float.NaN));
    refuses(
        "presence penalty must be -100 to 100, found NaN",
        () -> Question.of("a").presencePenalty(Float.NaN));
    refuses(
        "presence penalty must be -100 to 100, found -3.4E38",
        () -> Question.of("a").presencePenalty(-3.4e38f));
    refuses(
        "frequency penalty must be -100 to 100, found 100.5",
        () -> Question.of("a").frequencyPenalty(100.5f));
    for (float penalty : new float[] {0, 0.009f, 101, Float.NaN}) {
      refuses(
          "repetition penalty must be 0.01 to 100, found " + penalty,
          () -> Question.of("a").repetitionPenalty(penalty));
    }
    refuses(
        "top log-probabilities must be 0 (none) to 20, found 21",
        () -> Question.of("a").topLogprobs(21));
    assertEquals(
        "stop text must be text, found null",
        assertThrows(
                QuestionException.class,
                () -> GenerationOptions.unset().withStop(Arrays.asList("b", null)))
            .getMessage());
  }

  private static void refuses(String message, Executable call) {
    assertEquals(message, assertThrows(QuestionException.class, call).getMessage());
  }

  @Test
  void rolesAreThoseOfChatTemplates() {
    for (Role role : Role.values()) {
      assertEquals(role, Role.of(role.key()));
    }
    assertEquals("assistant", Role.ASSISTANT.key());
    refuses(
        "a message's role must be system, user, assistant or tool, found User",
        () -> Role.of("User"));
  }

  @Test
  void anEnginesOptionsAreChangedOneByOne() {
    EngineOptions built =
        EngineOptions.builder().threads(3).backend("scalar").network(Path.of("n")).build();
    assertEquals(
        EngineOptions.defaults().withThreads(3).withBackend("scalar").withNetwork(Path.of("n")),
        built);
    assertEquals(4, built.toBuilder().threads(4).build().threads());
    assertEquals(3, built.threads());
  }
}
