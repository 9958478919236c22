package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.text.grammar.RandomSchemas;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model that knows nothing answers in the form that it is held to. */
class JsonAnswersTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String SCHEMA =
      "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":6},"
          + "\"count\":{\"type\":\"integer\"},\"of\":{\"enum\":[\"apples\",\"books\"]},"
          + "\"all\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"maxItems\":2}},"
          + "\"required\":[\"name\",\"count\",\"of\",\"all\"]}";

  private static final Question QUESTION =
      Question.of("1 + 2?").maxTokens(400).temperature(1.5f).jsonSchema(SCHEMA);

  private static void check(Answer answer) throws IOException {
    JsonNode json = MAPPER.readTree(answer.text());
    assertEquals(FinishReason.STOP, answer.finishReason());
    assertEquals(4, json.size(), answer.text());
    String name = json.path("name").textValue();
    assertTrue(name.codePointCount(0, name.length()) <= 6, answer.text());
    assertTrue(json.path("count").isIntegralNumber(), answer.text());
    assertTrue(List.of("apples", "books").contains(json.path("of").textValue()), answer.text());
    assertTrue(json.path("all").isArray() && json.path("all").size() <= 2, answer.text());
  }

  @Test
  void answersHaveTheForm() throws IOException {
    try (Engine engine = TestModels.engine("scalar")) {
      for (Mode mode : List.of(Mode.DIRECT, Mode.LATENT)) {
        for (int seed = 0; seed < 3; seed++) {
          check(engine.ask(QUESTION.mode(mode).seed(seed)));
        }
      }
      Question thinking = QUESTION.mode(Mode.EXPLICIT).thinkingBudget(5);
      Answer explicit = engine.ask(thinking.seed(1));
      check(explicit);
      assertTrue(!explicit.reasoning().isEmpty());
      check(engine.ask(QUESTION.mode(Mode.DIRECT).temperature(0)));
      List<Token> tokens = new ArrayList<>();
      Answer heard = engine.ask(thinking.seed(1), tokens::add);
      assertEquals(explicit.ids(), heard.ids());
      assertEquals(explicit.text(), heard.text());
    }
  }

  /** Whatever the schema is, an answer that ends is valid by it. */
  @Test
  void answersAreValid() throws IOException {
    int whole = 0;
    try (Engine engine = TestModels.engine("scalar")) {
      List<CompletableFuture<Answer>> answers = new ArrayList<>();
      List<String> schemas = new ArrayList<>();
      for (int seed = 0; seed < 24; seed++) {
        Question question =
            Question.of("1 + 2?")
                .mode(seed % 2 == 0 ? Mode.DIRECT : Mode.LATENT)
                .maxTokens(60)
                .temperature(1)
                .seed(seed)
                .jsonSchema(RandomSchemas.schema(seed));
        schemas.add(RandomSchemas.schema(seed));
        answers.add(engine.askAsync(question));
      }
      for (int i = 0; i < schemas.size(); i++) {
        Answer answer;
        try {
          answer = answers.get(i).join();
        } catch (CompletionException e) {
          assertTrue(String.valueOf(e.getMessage()).contains("allows no value"), e.getMessage());
          continue;
        }
        if (answer.finishReason() == FinishReason.STOP) {
          byte[] text = answer.text().getBytes(StandardCharsets.UTF_8);
          assertTrue(RandomSchemas.valid(schemas.get(i), text), schemas.get(i) + answer.text());
          whole++;
        }
      }
    }
    assertTrue(whole > 10, "only " + whole);
  }

  /** Those who are held to a form and those who are not share steps, and change nothing. */
  @Test
  void companyChangesNothing() {
    try (Engine engine = TestModels.engine("scalar")) {
      List<Question> questions = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        Question question = QUESTION.mode(Mode.DIRECT).seed(i).maxTokens(40);
        questions.add(
            i % 2 == 0 ? question : question.options(question.options().withJsonSchema("{}")));
        questions.add(Question.of("1 + " + i + "?").mode(Mode.DIRECT).maxTokens(40));
      }
      List<Answer> alone = questions.stream().map(engine::ask).toList();
      List<CompletableFuture<Answer>> together = questions.stream().map(engine::askAsync).toList();
      for (int i = 0; i < alone.size(); i++) {
        assertEquals(alone.get(i).ids(), together.get(i).join().ids());
        assertEquals(alone.get(i).text(), together.get(i).join().text());
      }
    }
  }

  @Test
  void whatCannotBeIsRefused() {
    try (Engine engine = TestModels.engine("scalar")) {
      Question question = Question.of("1?").jsonSchema("{\"not\":{}}");
      var thrown = assertThrows(QuestionException.class, () -> engine.ask(question));
      assertEquals(
          "the JSON schema has the keyword not, which is not supported", thrown.getMessage());
    }
  }

  @Test
  void aModelWithoutATokenizerCannotBeHeld(@TempDir Path folder) throws IOException {
    Path model = TestModels.copy(TestModels.BASE, folder);
    Files.delete(model.resolve("tokenizer.json"));
    try (Engine engine = TestModels.engine(model, null, "scalar")) {
      GenerationOptions options = GenerationOptions.defaults().withJsonSchema("{}");
      var thrown =
          assertThrows(QuestionException.class, () -> engine.generate(new int[] {1, 2}, options));
      assertTrue(String.valueOf(thrown.getMessage()).contains("tokenizer"), thrown.getMessage());
    }
  }
}
