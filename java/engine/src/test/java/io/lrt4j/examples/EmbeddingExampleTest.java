package io.lrt4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.FinishReason;
import io.lrt4j.Fixtures;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** The examples do what they say. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EmbeddingExampleTest {
  private static final String QUESTION = "What is 12+30?";

  private final Path model = Fixtures.dir(TestModels.BASE);
  private final Path network = Fixtures.dir(TestModels.APPEND);
  private Engine engine;

  @BeforeAll
  void load() {
    engine = Engine.load(model, EngineOptions.defaults().withNetwork(network));
  }

  @AfterAll
  void close() {
    engine.close();
  }

  private Answer expected(String question) {
    return engine.ask(Question.of(question).maxTokens(64));
  }

  @Test
  void ask() {
    String text = EmbeddingExample.ask(model, QUESTION);
    assertEquals(engine.ask(QUESTION, Mode.DIRECT).text(), text);
    assertFalse(text.isEmpty());
  }

  @Test
  void askLatently() {
    Answer answer = EmbeddingExample.askLatently(model, network, QUESTION);
    assertEquals(expected(QUESTION).ids(), answer.ids());
    assertEquals(8, answer.tokens().latent());
  }

  @Test
  void stream() {
    StringBuilder page = new StringBuilder();
    Answer answer = EmbeddingExample.stream(engine, QUESTION, page);
    assertEquals(answer.text(), page.toString());
    assertEquals(expected(QUESTION).text(), page.toString());
  }

  @Test
  void upTo() {
    Answer answer = EmbeddingExample.upTo(engine, QUESTION, 5);
    assertEquals(FinishReason.CANCELLED, answer.finishReason());
    assertTrue(answer.text().length() >= 5, answer.text());
    assertTrue(expected(QUESTION).text().startsWith(answer.text().substring(0, 5)));
  }

  @Test
  void later() {
    assertEquals(expected(QUESTION).text(), EmbeddingExample.later(engine, QUESTION).join());
  }

  @Test
  void sample() {
    List<Answer> answers = EmbeddingExample.sample(engine, QUESTION, 3);
    assertEquals(3, answers.size());
    assertNotEquals(answers.get(0).ids(), answers.get(1).ids());
  }

  @Test
  void together() throws Exception {
    List<Answer> answers = EmbeddingExample.together(engine, QUESTION, "And 1+1?");
    assertEquals(expected(QUESTION).ids(), answers.get(0).ids());
    assertEquals(expected("And 1+1?").ids(), answers.get(1).ids());
  }
}
