package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What cannot be answered: one sentence that says why, and an engine that goes on. */
class RefusalTest {
  private static final Question QUESTION = Question.of("What is 12+30?").maxTokens(4);

  @TempDir Path temporary;

  static List<String> backends() {
    return TestModels.backends().toList();
  }

  private static <E extends LrtException> void refuses(
      Class<E> type, Executable call, String... parts) {
    String message = String.valueOf(assertThrows(type, call).getMessage());
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
    assertFalse(message.contains("\n"), message);
  }

  @Test
  void modesThatNeedANetwork() {
    try (Engine engine = TestModels.engine(Fixtures.dir(TestModels.BASE), null, "scalar")) {
      assertEquals(Mode.EXPLICIT, engine.defaultMode());
      refuses(
          QuestionException.class,
          () -> engine.ask(QUESTION.mode(Mode.LATENT)),
          "latent mode needs a reasoning network");
      refuses(
          QuestionException.class,
          () -> engine.ask(QUESTION.mode(Mode.AUTO)),
          "auto mode needs a reasoning network");
      assertEquals(4, engine.ask(QUESTION).ids().size());
    }
  }

  /** Who has put the question together from other things says which of them it is. */
  @Test
  void whatARefusalIsAbout() {
    try (Engine engine = TestModels.engine(Fixtures.dir(TestModels.BASE), null, "scalar")) {
      Tool tool = new Tool("f", "", "{}");
      Question held = QUESTION.jsonSchema("{\"type\": 1}");
      assertEquals(QuestionException.Part.MODE, part(engine, QUESTION.mode(Mode.LATENT)));
      assertEquals(QuestionException.Part.MODE, part(engine, QUESTION.mode(Mode.AUTO)));
      assertEquals(QuestionException.Part.TOOLS, part(engine, QUESTION.tools(List.of(tool))));
      assertEquals(QuestionException.Part.JSON_SCHEMA, part(engine, held));
      assertEquals(QuestionException.Part.TOOLS, part(engine, held.tools(List.of(tool))));
      assertNull(part(engine, Question.of("\uD800")));
    }
  }

  private static QuestionException.@Nullable Part part(Engine engine, Question question) {
    return assertThrows(QuestionException.class, () -> engine.ask(question)).part();
  }

  @Test
  void autoWithoutAThreshold() {
    try (Engine engine = TestModels.engine("scalar")) {
      assertEquals(Mode.LATENT, engine.defaultMode());
      refuses(
          QuestionException.class,
          () -> engine.ask(QUESTION.mode(Mode.AUTO)),
          "auto_threshold",
          "lrt-append");
    }
  }

  @Test
  void askingWithoutTokenizerOrTemplate() throws IOException {
    try (Engine engine = TestModels.engine(Fixtures.dir("weights/stories260K"), null, "scalar")) {
      assertFalse(engine.hasTokenizer());
      for (Mode mode : List.of(Mode.EXPLICIT, Mode.DIRECT)) {
        refuses(
            QuestionException.class,
            () -> engine.ask(QUESTION.mode(mode)),
            "without a tokenizer",
            "ask");
      }
      refuses(QuestionException.class, () -> engine.encode("x"), "without a tokenizer");
      refuses(QuestionException.class, () -> engine.decode(new int[1]), "without a tokenizer");
      Answer answer = engine.generate(new int[] {1}, GenerationOptions.defaults().withMaxTokens(3));
      assertEquals("", answer.text());
    }
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Files.delete(model.resolve("chat_template.jinja"));
    try (Engine engine = TestModels.engine(model, null, "scalar")) {
      refuses(
          QuestionException.class,
          () -> engine.ask(QUESTION.mode(Mode.DIRECT)),
          "without a chat template");
    }
  }

  /** To go on with a text needs none. */
  @Test
  void askingWithATemplateThatCannotBeParsed() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Files.writeString(model.resolve("chat_template.jinja"), "{% if x %");
    String told = model + ": chat_template.jinja, line 1: '{%' is never closed";
    try (Engine engine = TestModels.engine(model, Fixtures.dir(TestModels.APPEND), "scalar")) {
      for (Mode mode : Mode.values()) {
        if (mode != Mode.AUTO) {
          refuses(TemplateException.class, () -> engine.ask(QUESTION.mode(mode)), told);
        }
      }
      assertTrue(engine.describe().endsWith("not answer questions: " + told), engine.describe());
      Duration _ = engine.warmUp();
      int[] text = engine.encode("What is 12+30?");
      GenerationOptions options = GenerationOptions.defaults().withMaxTokens(4);
      assertEquals(4, engine.generate(text, options).ids().size());
      assertEquals(text.length, engine.score(text, false, false).logprobs().length);
    }
  }

  @Test
  void idsThatAreNone() {
    try (Engine engine = TestModels.engine("scalar")) {
      GenerationOptions options = GenerationOptions.defaults().withMaxTokens(2);
      for (int id : new int[] {-1, 384, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
        String found = "found " + id;
        int[] ids = {1, id};
        refuses(QuestionException.class, () -> engine.generate(ids, options), "0 to 383", found);
        refuses(QuestionException.class, () -> engine.score(ids, false, false), found);
      }
      int[] none = {};
      refuses(QuestionException.class, () -> engine.generate(none, options), "at least one");
      refuses(QuestionException.class, () -> engine.score(none, true, true), "at least one");
      refuses(QuestionException.class, () -> engine.sample(QUESTION, 0), "must be 1 to", "found 0");
      refuses(QuestionException.class, () -> engine.sample(QUESTION, 1_000_000_000), "65536");
      assertEquals(2, engine.generate(new int[] {1, 383}, options).ids().size());
    }
  }

  /** It is read on a thread of its own, of which the caller knows nothing. */
  @Test
  void theStackTraceOfADamagedTokenizerLeadsToWhoLoads() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    TestModels.edit(model.resolve("tokenizer.json"), json -> json.remove("model"));
    var e = assertThrows(TokenizerException.class, () -> Engine.load(model));
    List<String> classes =
        Arrays.stream(e.getStackTrace()).map(StackTraceElement::getClassName).toList();
    assertTrue(classes.contains("io.lrt4j.text.Tokenizer"), classes.toString());
    assertTrue(classes.contains(RefusalTest.class.getName()), classes.toString());
  }

  /** Of another model, or with tokens that its own was never given: only those are refused. */
  @Test
  void aTokenizerWithMoreIdsThanTheModel() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Path file = model.resolve("tokenizer.json");
    TestModels.edit(
        file,
        json ->
            json.withArray("added_tokens")
                .addObject()
                .put("id", 384)
                .put("content", "<pad>")
                .put("special", true));
    try (Engine engine = TestModels.engine(model, Fixtures.dir(TestModels.APPEND), "scalar")) {
      String told =
          "token ids must be 0 to 383, the model's vocabulary, found 384: the 385 ids of "
              + file
              + " are more than the model's 384, is it another model's?";
      for (Mode mode : List.of(Mode.DIRECT, Mode.LATENT)) {
        assertEquals(4, engine.ask(QUESTION.mode(mode)).ids().size());
        Question padded =
            Question.of("What is<pad>?").allowSpecialTokens(true).mode(mode).maxTokens(4);
        refuses(QuestionException.class, () -> engine.ask(padded), told);
      }
      refuses(
          QuestionException.class, () -> engine.score(engine.encode("<pad>"), false, false), told);
      int[] beyond = {385};
      String message =
          assertThrows(QuestionException.class, () -> engine.score(beyond, false, false))
              .getMessage();
      assertEquals("token ids must be 0 to 383, the model's vocabulary, found 385", message);
    }
  }

  @Test
  void moreThanTheContext() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    TestModels.edit(model.resolve("config.json"), c -> c.put("max_position_embeddings", 41));
    try (Engine engine = TestModels.engine(model, Fixtures.dir(TestModels.APPEND), "scalar")) {
      // 29 tokens, 8 latents, 4 closing tokens: none is left for the answer.
      refuses(
          QuestionTooLongException.class,
          () -> engine.ask(QUESTION.mode(Mode.LATENT)),
          "too long",
          "at most 28",
          "found 29");
      refuses(
          QuestionTooLongException.class,
          () -> engine.ask(QUESTION.mode(Mode.EXPLICIT)),
          "too long");
      assertEquals(4, engine.ask(QUESTION.mode(Mode.DIRECT)).ids().size());
      GenerationOptions options = GenerationOptions.defaults();
      refuses(
          QuestionTooLongException.class,
          () -> engine.generate(new int[41], options),
          "at most 40",
          "found 41");
      assertEquals(1, engine.generate(new int[40], options).ids().size());
      refuses(
          QuestionTooLongException.class,
          () -> engine.score(new int[42], false, false),
          "at most 41",
          "found 42");
      refuses(
          QuestionTooLongException.class,
          () -> engine.score(new int[42], options),
          "at most 41",
          "found 42");
      assertEquals(41, engine.score(new int[41], false, false).logprobs().length);
    }
  }

  @Test
  void moreThanTheNetworkTakes() {
    Path network = TestModels.copy(TestModels.APPEND, temporary.resolve("network"));
    TestModels.edit(
        network.resolve("config.json"),
        c -> ((ObjectNode) c.get("backbone")).put("max_position_embeddings", 36));
    try (Engine engine = TestModels.engine(Fixtures.dir(TestModels.BASE), network, "scalar")) {
      refuses(
          QuestionException.class,
          () -> engine.ask(QUESTION.mode(Mode.LATENT)),
          "at most 28",
          "found 29");
    }
  }

  @Test
  void anAnswerCueWithoutEnd() {
    GenerationOptions endless = GenerationOptions.defaults().withAnswerCue("Answer ".repeat(99));
    try (Engine engine = TestModels.engine("scalar")) {
      Question question = QUESTION.options(endless);
      refuses(
          QuestionException.class,
          () -> engine.ask(question.mode(Mode.EXPLICIT)),
          "answer cue is too long");
      assertEquals(Mode.LATENT, engine.ask(question.maxTokens(2)).mode()); // which needs none
    }
  }

  @Test
  void backendsThatAreNotThere() {
    Path model = Fixtures.dir(TestModels.BASE);
    refuses(
        BackendException.class, () -> TestModels.engine(model, null, "abacus"), "abacus", "scalar");
    EngineOptions defaults = EngineOptions.defaults();
    refuses(BackendException.class, () -> defaults.withThreads(-1), "threads", "found -1");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void weightsThatAreNoNumbers(String backend) {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model" + backend));
    TestModels.poison(model, "model.norm.weight");
    try (Engine engine = TestModels.engine(model, Fixtures.dir(TestModels.APPEND), backend)) {
      GenerationOptions options = GenerationOptions.defaults();
      for (float temperature : new float[] {0, 1}) {
        refuses(
            BackendException.class,
            () -> engine.generate(new int[3], options.withTemperature(temperature)),
            "not finite",
            "after 3 tokens");
      }
      refuses(
          BackendException.class,
          () -> engine.score(new int[3], true, true),
          "not finite",
          "after 1 tokens");
      for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
        refuses(BackendException.class, () -> engine.ask(QUESTION.mode(mode)), "not finite");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aNetworkThatComputesNoNumbers(String backend) {
    Path network = TestModels.copy(TestModels.APPEND, temporary.resolve("network" + backend));
    TestModels.poison(network, "queries");
    try (Engine engine = TestModels.engine(Fixtures.dir(TestModels.BASE), network, backend)) {
      refuses(BackendException.class, () -> engine.ask(QUESTION.mode(Mode.LATENT)), "not finite");
      Answer answer = engine.ask(QUESTION.mode(Mode.DIRECT)); // it has left no NaN behind
      assertTrue(Double.isFinite(answer.confidence().meanLogprob()));
    }
  }
}
