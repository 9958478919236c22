package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import io.lrt4j.Fixtures;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Question.Message;
import io.lrt4j.QuestionException;
import io.lrt4j.Role;
import io.lrt4j.TestModels;
import io.lrt4j.Token;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import io.lrt4j.ToolChoice;
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.Tokenizer;
import io.lrt4j.text.grammar.RandomSchemas;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tools are offered by the model's own template, and its calls read. */
class ToolsTest {
  private static final Tool ADD =
      new Tool(
          "add",
          "adds <|im_end|>",
          "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"maximum\":1.5}}}");

  private static final ToolCall CALL = new ToolCall("add", "{\"a\":1}");
  private static final String WRITTEN =
      "\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>";

  @TempDir Path directory;

  private static String template(String name) {
    try {
      return Files.readString(Fixtures.dir("templates").resolve(name));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void templateTellsOfThem() {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      var prompts = new Prompts(tokenizer, ChatTemplate.of(template("qwen3.jinja"), Map.of()));
      Question question =
          Question.of(
                  List.of(
                      new Message(Role.USER, "1 + 2?"),
                      new Message(Role.ASSISTANT, "", List.of(CALL)),
                      new Message(Role.TOOL, "3<|im_end|>")))
              .tools(List.of(ADD));
      int[] ids = prompts.direct(question);
      String text = tokenizer.decode(ids, false);
      assertTrue(
          text.contains(
              "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"add\", \"description\":"
                  + " \"adds <|im_end|>\", \"parameters\": {\"type\": \"object\", \"properties\":"
                  + " {\"a\": {\"type\": \"integer\", \"maximum\": 1.5}}}}}\n</tools>"),
          text);
      assertTrue(text.contains("assistant" + WRITTEN), text);
      assertTrue(text.contains("<tool_response>\n3<|im_end|>\n</tool_response>"), text);
      int end = tokenizer.id("<|im_end|>").orElseThrow();
      assertEquals(4, Arrays.stream(ids).filter(id -> id == end).count()); // of the turns
    }
  }

  /** What clients hand back of a call without arguments. */
  @Test
  void noArgumentsAreAnEmptyObject() {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      var prompts = new Prompts(tokenizer, ChatTemplate.of(template("qwen3.jinja"), Map.of()));
      ToolCall call = new ToolCall("now", "");
      Question question =
          Question.of(
              List.of(new Message(Role.USER, "?"), new Message(Role.ASSISTANT, "", List.of(call))));
      String text = tokenizer.decode(prompts.direct(question), false);
      assertTrue(text.contains("{\"name\": \"now\", \"arguments\": {}}"), text);
    }
  }

  @Test
  void onlyTemplatesWhoseCallsAreRead() {
    for (String name : List.of("qwen3.jinja", "qwen2.5.jinja", "minimind2.jinja")) {
      assertTrue(ChatTemplate.of(template(name), Map.of()).knowsTools(), name);
    }
    String other =
        "{% for t in tools %}<tool_call><function={{ t }}>{% endfor %}{{ messages[0].content }}";
    for (String source : List.of("{{ messages[0].content }}", other)) {
      var prompts =
          new Prompts(
              Tokenizer.load(Fixtures.dir(TestModels.BASE)), ChatTemplate.of(source, Map.of()));
      var thrown =
          assertThrows(
              QuestionException.class, () -> prompts.direct(Question.of("1?").tools(List.of(ADD))));
      assertTrue(String.valueOf(thrown.getMessage()).startsWith("tools are not supported with"));
      Tokenizer tokenizer = prompts.tokenizer("close");
      tokenizer.close();
    }
  }

  @Test
  void whatIsNoToolIsRefused() {
    assertThrows(QuestionException.class, () -> new Tool("two words", "", "{}"));
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      var prompts = new Prompts(tokenizer, ChatTemplate.of(template("qwen3.jinja"), Map.of()));
      for (String parameters : List.of("", "[]", "{} {}", "{\"a\":".repeat(99))) {
        Question question = Question.of("1?").tools(List.of(new Tool("f", "", parameters)));
        var thrown = assertThrows(QuestionException.class, () -> prompts.direct(question));
        assertTrue(String.valueOf(thrown.getMessage()).endsWith("those of f are none"));
      }
    }
  }

  /** Whatever a model writes in a call that knows nothing: it calls what there is, as it must. */
  @Test
  void strictCallsHaveTheirForm() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, directory.resolve("model"));
    Files.writeString(model.resolve("chat_template.jinja"), template("qwen3.jinja"));
    String schema =
        "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"maxLength\":4},"
            + "\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":7}},"
            + "\"required\":[\"city\",\"days\"],\"additionalProperties\":false}";
    Tool weather = new Tool("weather", "", schema, true);
    Tool time = new Tool("time", "", "{\"type\":\"object\",\"additionalProperties\":false}", true);
    try (var spied = new SpiedModel(model, null)) {
      Question question = Question.of("1?").maxTokens(200).mode(Mode.DIRECT);
      for (int seed = 0; seed < 8; seed++) {
        Question asked =
            question.tools(List.of(weather, time)).temperature(seed == 0 ? 0 : 1.5f).seed(seed);
        spied.spy.script(spied.encode("One. <tool_call>\n<tool_call>")); // the latter it may not
        Answer answer = spied.ask(asked);
        assertTrue(!answer.toolCalls().isEmpty(), answer.text());
        assertTrue(answer.text().startsWith("One."), answer.text());
        for (ToolCall call : answer.toolCalls()) {
          byte[] arguments = call.arguments().getBytes(StandardCharsets.UTF_8);
          if (call.name().equals("weather")) {
            assertTrue(RandomSchemas.valid(schema, arguments), call.toString());
            assertTrue(call.arguments().matches(".*\"days\":[1-7]}"), call.toString());
          } else {
            assertEquals(new ToolCall("time", "{}"), call);
          }
        }
      }
      Tool unknown = new Tool("f", "", "{\"not\":{}}", true);
      Tool text = new Tool("f", "", "{\"type\":[\"object\",\"string\"]}", true);
      assertStrictRefused(spied, unknown, "has the keyword not, which is not supported");
      assertStrictRefused(spied, text, "must allow nothing but objects");
    }
  }

  /** Beside a JSON schema an answer is a value of it, or calls, whatever else a model would say. */
  @Test
  void callsOrAValueOfTheSchema() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, directory.resolve("model"));
    Files.writeString(model.resolve("chat_template.jinja"), template("qwen3.jinja"));
    String schema =
        "{\"type\":\"object\",\"properties\":{\"sum\":{\"type\":\"integer\"}},"
            + "\"required\":[\"sum\"]}";
    try (var spied = new SpiedModel(model, null)) {
      Question question =
          Question.of("1?")
              .maxTokens(300)
              .mode(Mode.DIRECT)
              .temperature(1.5f)
              .jsonSchema(schema)
              .tools(List.of(new Tool("add", "", ADD.parameters(), true)));
      int valued = 0;
      for (int seed = 0; seed < 6; seed++) { // those that begin with text must go on otherwise
        spied.spy.script(seed == 0 ? spied.encode("{\"sum\": 3}") : spied.encode("One."));
        Answer answer = spied.ask(question.seed(seed));
        if (answer.toolCalls().isEmpty()) {
          byte[] text = answer.text().strip().getBytes(StandardCharsets.UTF_8);
          assertTrue(RandomSchemas.valid(schema, text), answer.text());
          valued++;
        } else {
          boolean cut = answer.finishReason() == FinishReason.LENGTH;
          assertTrue(answer.text().isEmpty() || cut, answer.text());
          answer.toolCalls().forEach(call -> assertEquals("add", call.name()));
        }
      }
      assertTrue(valued > 0);
      List<Integer> script = new ArrayList<>(spied.encode(WRITTEN + WRITTEN));
      script.addAll(spied.encode("<|im_end|>"));
      spied.spy.script(script);
      List<Token> tokens = new ArrayList<>();
      Answer called = spied.ask(question, tokens::add);
      assertEquals(List.of(CALL, CALL), called.toolCalls());
      assertEquals("", called.text());
      assertEquals("", tokens.stream().map(Token::text).collect(Collectors.joining()));
      assertEquals(
          List.of(CALL, CALL), tokens.stream().flatMap(t -> t.toolCalls().stream()).toList());
      spied.spy.script(spied.encode("{\"sum\": 3}"));
      tokens.clear();
      assertEquals("{\"sum\": 3}", spied.ask(question, tokens::add).text());
      assertEquals("{\"sum\": 3}", tokens.stream().map(Token::text).collect(Collectors.joining()));
      String refused = "the JSON schema has the keyword not, which is not supported";
      Question unknown = question.jsonSchema("{\"not\":{}}");
      var thrown = assertThrows(QuestionException.class, () -> spied.ask(unknown));
      assertEquals(refused, thrown.getMessage());
      Tool strict = new Tool("f", "", "{\"not\":{}}", true);
      thrown =
          assertThrows(
              QuestionException.class, () -> spied.ask(question.tools(List.of(ADD, strict))));
      assertEquals("the tool f is strict: " + refused, thrown.getMessage());
    }
  }

  /** Whatever a model would say, it calls; it thinks what it likes before that. */
  @Test
  void callsThatMustBe() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, directory.resolve("model"));
    Files.writeString(model.resolve("chat_template.jinja"), template("qwen3.jinja"));
    Tool weather =
        new Tool(
            "weather",
            "",
            "{\"type\":\"object\",\"properties\":{\"days\":{\"enum\":[1,2]}},"
                + "\"required\":[\"days\"],\"additionalProperties\":false}",
            true);
    Tool time = new Tool("time", "", "{\"type\":\"object\",\"additionalProperties\":false}", true);
    List<Tool> tools = List.of(weather, time);
    ToolCall now = new ToolCall("time", "{}");
    try (var spied = new SpiedModel(model, Fixtures.dir(TestModels.APPEND))) {
      Question question = Question.of("1?").maxTokens(200).budget(300).temperature(1.5f);
      for (Mode mode : List.of(Mode.DIRECT, Mode.LATENT, Mode.EXPLICIT)) {
        for (int seed = 0; seed < 4; seed++) {
          Question asked = question.mode(mode).seed(seed);
          spied.spy.script(spied.encode(mode == Mode.EXPLICIT ? "Hm.</think>One." : "One."));
          Answer answer = spied.ask(asked.tools(tools, ToolChoice.REQUIRED));
          assertTrue(!answer.toolCalls().isEmpty(), answer.text());
          assertTrue(answer.reasoning().equals(mode == Mode.EXPLICIT ? "Hm." : ""));

          spied.spy.script(List.of());
          List<Token> tokens = new ArrayList<>();
          Answer one = spied.ask(asked.tools(tools, ToolChoice.named("time")), tokens::add);
          assertEquals(List.of(now), one.toolCalls(), mode + " " + seed);
          assertEquals("", one.text());
          assertEquals(FinishReason.STOP, one.finishReason());
          assertEquals(List.of(now), tokens.stream().flatMap(t -> t.toolCalls().stream()).toList());
        }
      }
      // The schema says nothing where a call must be, but has to be one.
      Question held = question.mode(Mode.DIRECT).jsonSchema("{\"type\":\"integer\"}");
      spied.spy.script(spied.encode("12"));
      Answer answer = spied.ask(held.tools(tools, ToolChoice.named("time")));
      assertEquals(List.of(now), answer.toolCalls());
      Question unknown = held.jsonSchema("{\"not\":{}}").tools(tools, ToolChoice.REQUIRED);
      var thrown = assertThrows(QuestionException.class, () -> spied.ask(unknown));
      assertEquals(QuestionException.Part.JSON_SCHEMA, thrown.part());
    }
  }

  /** None must be called, but at most one may be. */
  @Test
  void oneCallEndsTheAnswer() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, directory.resolve("model"));
    Files.writeString(model.resolve("chat_template.jinja"), template("qwen3.jinja"));
    try (var spied = new SpiedModel(model, null)) {
      Question question =
          Question.of("1?")
              .maxTokens(400)
              .mode(Mode.DIRECT)
              .tools(List.of(ADD), ToolChoice.AUTO.withParallel(false));
      spied.spy.script(spied.encode("One." + WRITTEN + WRITTEN));
      Answer answer = spied.ask(question);
      assertEquals("One.", answer.text());
      assertEquals(List.of(CALL), answer.toolCalls());
      assertEquals(FinishReason.STOP, answer.finishReason());
      spied.spy.script(spied.encode("One.<|im_end|>"));
      assertEquals("One.", spied.ask(question).text());
    }
  }

  @Test
  void whatCannotBeCalledIsRefused() {
    Question question = Question.of("1?");
    var thrown =
        assertThrows(QuestionException.class, () -> question.tools(List.of(), ToolChoice.REQUIRED));
    assertEquals("a tool must be called, but the question offers none", thrown.getMessage());
    thrown =
        assertThrows(
            QuestionException.class,
            () -> question.tools(List.of(ADD), ToolChoice.AUTO.withNames(List.of("add", "sub"))));
    assertEquals(
        "the tool that may be called must be one of those that the question offers, found sub",
        thrown.getMessage());
    assertEquals(ToolChoice.AUTO, question.tools(List.of(ADD)).toolChoice());
  }

  private static void assertStrictRefused(SpiedModel spied, Tool tool, String why) {
    Question question = Question.of("1?").mode(Mode.DIRECT).maxTokens(1).tools(List.of(tool));
    var thrown = assertThrows(QuestionException.class, () -> spied.ask(question));
    assertEquals("the tool f is strict: the JSON schema " + why, thrown.getMessage());
    Tool loose = new Tool(tool.name(), "", tool.parameters());
    assertEquals(1, spied.ask(question.tools(List.of(loose))).ids().size());
  }

  @Test
  void callsAreRead() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, directory.resolve("model"));
    Files.writeString(model.resolve("chat_template.jinja"), template("qwen3.jinja"));
    try (var spied = new SpiedModel(model, null)) {
      List<Integer> script = new ArrayList<>(spied.encode("One." + WRITTEN + WRITTEN + "\n"));
      script.addAll(spied.encode("<|im_end|>"));
      Question question = Question.of("1?").mode(Mode.DIRECT).maxTokens(400).tools(List.of(ADD));
      spied.spy.script(script);
      List<Token> tokens = new ArrayList<>();
      Answer heard = spied.ask(question, tokens::add);
      assertEquals("One.", heard.text());
      assertEquals(List.of(CALL, CALL), heard.toolCalls());
      assertEquals("One.", tokens.stream().map(Token::text).collect(Collectors.joining()));
      assertEquals(
          List.of(CALL, CALL), tokens.stream().flatMap(t -> t.toolCalls().stream()).toList());
      spied.spy.script(script);
      Answer alone = spied.ask(question);
      assertEquals(heard.ids(), alone.ids());
      assertEquals(heard.text(), alone.text());
      assertEquals(heard.toolCalls(), alone.toolCalls());
      spied.spy.script(script);
      Answer plain = spied.ask(question.tools(List.of()));
      assertEquals("One." + WRITTEN + WRITTEN + "\n", plain.text()); // nobody asked for calls
      assertEquals(List.of(), plain.toolCalls());
    }
  }
}
