package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
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
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.Tokenizer;
import java.io.IOException;
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
