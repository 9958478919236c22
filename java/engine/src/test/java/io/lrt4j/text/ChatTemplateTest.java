package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.CheckpointException;
import io.lrt4j.Fixtures;
import io.lrt4j.TemplateException;
import io.lrt4j.TokenizerException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ChatTemplateTest {
  private static final List<Map<String, Object>> HI =
      List.of(Map.of("role", "user", "content", "Hi"));

  @TempDir Path directory;

  private void write(String name, String text) throws IOException {
    var file = directory.resolve(name);
    Files.createDirectories(file.resolveSibling("."));
    Files.writeString(file, text);
  }

  private String renderLoaded(Map<String, Object> variables) {
    return ChatTemplate.load(directory).orElseThrow().render(HI, true, variables);
  }

  private static List<Map<String, @Nullable Object>> messages(JsonNode node) {
    return new ObjectMapper().convertValue(node, new TypeReference<>() {});
  }

  private static Map<String, @Nullable Object> map(JsonNode node) {
    return new ObjectMapper().convertValue(node, new TypeReference<>() {});
  }

  /**
   * 1,290 renderings of nine templates, byte for byte as transformers; where it raises, so do we.
   */
  @Test
  void rendersAsTransformers() throws IOException {
    var resources = Fixtures.dir("templates");
    var recorded = Fixtures.json(resources.resolve("renderings.json"));
    var now = LocalDateTime.parse(recorded.get("now").textValue()).toInstant(ZoneOffset.UTC);
    var clock = Clock.fixed(now, ZoneOffset.UTC);
    var templates = new HashMap<String, ChatTemplate>();
    for (var entry : recorded.get("special").properties()) {
      var source = Files.readString(resources.resolve(entry.getKey() + ".jinja"));
      var special = new HashMap<String, Object>();
      entry.getValue().properties().forEach(e -> special.put(e.getKey(), e.getValue().textValue()));
      templates.put(entry.getKey(), ChatTemplate.of(source, special));
    }
    var differences = new ArrayList<String>();
    for (JsonNode c : recorded.get("cases")) {
      var template = templates.get(c.get("template").textValue());
      var variables = map(c.get("variables"));
      variables.put(
          "tools",
          new ObjectMapper()
              .convertValue(recorded.get("tools").get(c.get("tools").textValue()), Object.class));
      var messages = messages(recorded.get("conversations").get(c.get("conversation").textValue()));
      String found;
      try {
        found =
            template == null
                ? ""
                : template.render(messages, c.get("prompt").booleanValue(), variables, clock);
      } catch (TemplateException e) {
        found = null;
      }
      var expected = c.path("text").textValue();
      if (expected == null ? found != null : !expected.equals(found)) {
        differences.add(c + "\nfound: " + found);
      }
    }
    assertEquals(1290, recorded.get("cases").size());
    assertEquals("", String.join("\n", differences));
  }

  /** The templates of the checkpoints at hand, found in their directories. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama-rope3-bf16",
        "qwen2-bias-bf16",
        "qwen2-tied-f16",
        "qwen3-tied-bf16",
        "qwen3-untied-f32-sharded",
        "qwen3-yarn-bf16"
      })
  void rendersTheFixtures(String name) {
    var checkpoint = Fixtures.dir("conformance/" + name);
    var template = ChatTemplate.load(checkpoint).orElseThrow();
    var cases = Fixtures.json(checkpoint.resolve("expected.json")).get("chat");
    assertTrue(cases.size() > 0);
    for (var c : cases) {
      var variables = Map.of("enable_thinking", c.get("enable_thinking").booleanValue());
      assertEquals(
          c.get("text").textValue(), template.render(messages(c.get("messages")), true, variables));
    }
  }

  @Test
  void rendersTheSamples() {
    var samples =
        Fixtures.json(Fixtures.dir("tokenizers/vectors").resolve("chat_template_samples.json"));
    var conversations =
        Map.of(
            "one",
            List.of(Map.of("role", "user", "content", "What is 2+2?")),
            "qwen3/sys",
            conversation("Hello."),
            "qwen2_5/sys",
            conversation("<think>\nhm\n</think>\n\nHello."));
    assertEquals(6, samples.size());
    for (var sample : samples.properties()) {
      var name = sample.getKey().split("/", -1);
      var checkpoint = Fixtures.dir("tokenizers/" + name[0].replace('_', '.'));
      var messages = conversations.getOrDefault(name[0] + "/" + name[1], conversations.get("one"));
      Map<String, Object> variables =
          name[2].contains("False") ? Map.of("enable_thinking", false) : Map.of();
      assertEquals(
          sample.getValue().get("text").textValue(),
          ChatTemplate.load(checkpoint)
              .orElseThrow()
              .render(messages == null ? List.of() : messages, true, variables),
          sample.getKey());
    }
  }

  private static List<Map<String, String>> conversation(String answer) {
    return List.of(
        Map.of("role", "system", "content", "Be brief."),
        Map.of("role", "user", "content", "Hi"),
        Map.of("role", "assistant", "content", answer),
        Map.of("role", "user", "content", "Bye"));
  }

  @Test
  void noTemplateIsNoError() throws IOException {
    assertTrue(ChatTemplate.load(directory).isEmpty());
    write("tokenizer_config.json", "{\"chat_template\": null}");
    assertTrue(ChatTemplate.load(directory).isEmpty());
    write("tokenizer_config.json", "{}");
    assertTrue(ChatTemplate.load(directory).isEmpty());
  }

  @Test
  void aFileOfItsOwnWins() throws IOException {
    write("tokenizer_config.json", "{\"chat_template\": \"config\"}");
    assertEquals("config", renderLoaded(Map.of()));
    write("chat_template.jinja", "file\n");
    assertEquals("file", renderLoaded(Map.of()));
  }

  @Test
  void namedTemplates() throws IOException {
    write(
        "tokenizer_config.json",
        """
        {"chat_template": [{"name": "default", "template": "plain"},
                           {"name": "tool_use", "template": "tools {{ tools[0] }}"}]}\
        """);
    assertEquals("plain", renderLoaded(Map.of()));
    assertEquals("tools f", renderLoaded(Map.of("tools", List.of("f"))));
    write("chat_template.jinja", "file");
    assertEquals("file", renderLoaded(Map.of("tools", List.of("f"))));
    write("chat_templates/tool_use.jinja", "tool file");
    assertEquals("file", renderLoaded(Map.of()));
    assertEquals("tool file", renderLoaded(Map.of("tools", List.of("f"))));
    Files.delete(directory.resolve("chat_template.jinja"));
    assertEquals(
        directory + ": expected a chat template named default, found [tool_use]", refusal());
  }

  @Test
  void whatATemplateKnowsIsInItsText() {
    for (String text : List.of("a<think>b", "a</think>b", "{{ enable_thinking }}")) {
      assertTrue(ChatTemplate.of(text, Map.of()).knowsThinking(), text);
    }
    assertFalse(ChatTemplate.of("I think", Map.of()).knowsThinking());
    assertTrue(ChatTemplate.of("{{ tools }}\n<tool_call>\n", Map.of()).knowsTools());
    for (String text :
        List.of("{{ tools }}", "<tool_call>", "{{ tools }} <tool_call>\n<function=f>")) {
      assertFalse(ChatTemplate.of(text, Map.of()).knowsTools(), text);
    }
  }

  /** Of two templates, the one for tools says whether they can be offered. */
  @Test
  void theTemplateForToolsKnowsThem() throws IOException {
    write("chat_templates/default.jinja", "plain");
    write("chat_templates/tool_use.jinja", "{{ tools }} <tool_call>");
    assertTrue(ChatTemplate.load(directory).orElseThrow().knowsTools());
    write("chat_templates/default.jinja", "{{ tools }} <tool_call>");
    write("chat_templates/tool_use.jinja", "plain");
    assertFalse(ChatTemplate.load(directory).orElseThrow().knowsTools());
  }

  @Test
  void specialTokens() throws IOException {
    write(
        "chat_template.jinja",
        "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ boi_token }}|{{ x_token }}");
    write(
        "tokenizer_config.json",
        """
        {"bos_token": null, "eos_token": {"content": "<e>", "lstrip": false}, "pad_token": "<p>",
         "extra_special_tokens": {"boi_token": "<i>"}, "x_token": "<x>", "add_bos_token": true}\
        """);
    assertEquals("|<e>|<p>|<i>|<x>", renderLoaded(Map.of()));
    assertEquals("|me|<p>|<i>|<x>", renderLoaded(Map.of("eos_token", "me")));
    write(
        "special_tokens_map.json",
        "{\"bos_token\": {\"content\": \"<b>\"}, \"pad_token\": \"<q>\"}");
    assertEquals("<b>|<e>|<q>|<i>|<x>", renderLoaded(Map.of()));
    write("tokenizer_config.json", "{\"pad_token\": \"<p>\", \"added_tokens_decoder\": {}}");
    assertEquals("||<p>||", renderLoaded(Map.of()));
  }

  @Test
  void damagedFilesAreNamed() throws IOException {
    write("chat_template.jinja", "ok");
    for (var config : List.of("{", "[]", "\"x\"", "", "{\"a\": 1, \"a\": 2}", "[".repeat(5000))) {
      write("tokenizer_config.json", config);
      var e = assertThrows(TokenizerException.class, () -> ChatTemplate.load(directory), config);
      assertTrue(String.valueOf(e.getMessage()).contains("tokenizer_config.json"), e.getMessage());
    }
    write("tokenizer_config.json", "{}");
    Files.write(
        directory.resolve("chat_template.jinja"), "\u00e9".getBytes(StandardCharsets.ISO_8859_1));
    assertThrows(CheckpointException.class, () -> ChatTemplate.load(directory));
    Files.delete(directory.resolve("chat_template.jinja"));
    for (var template : List.of("1", "{}", "[1]", "[{\"name\": \"default\"}]")) {
      write("tokenizer_config.json", "{\"chat_template\": " + template + "}");
      assertThrows(CheckpointException.class, () -> ChatTemplate.load(directory), template);
    }
  }

  /** It is not needed before there are messages; then its file is named. */
  @Test
  void templatesThatCannotBeParsed() throws IOException {
    write("tokenizer_config.json", "{\"chat_template\": \"<think>\\n{{ a b }}\"}");
    assertEquals(
        directory + ": chat_template in tokenizer_config.json, line 2: expected '}}', found 'b'",
        refusal());
    ChatTemplate template = ChatTemplate.load(directory).orElseThrow();
    assertEquals(Optional.of(refusal()), template.fault());
    assertTrue(template.knowsThinking()); // and so the mode of a question does not depend on it
    write(
        "tokenizer_config.json",
        """
        {"chat_template": [{"name": "default", "template": "x"},
                           {"name": "tool_use", "template": "{% x %}"}]}\
        """);
    assertEquals(
        directory + ": chat_template in tokenizer_config.json, tool_use, line 1: unknown tag 'x'",
        refusal());
    write("chat_templates/tool_use.jinja", "{% x %}");
    write("chat_template.jinja", "x");
    assertEquals(directory + ": chat_templates/tool_use.jinja, line 1: unknown tag 'x'", refusal());
    write("chat_template.jinja", "{% y %}");
    assertEquals(directory + ": chat_template.jinja, line 1: unknown tag 'y'", refusal());
    write("chat_template.jinja", "x".repeat((1 << 20) + 1));
    assertEquals(
        directory + ": chat_template.jinja: expected at most 1048576 characters, found 1048577",
        refusal());
  }

  @Test
  void templatesThatFail() throws IOException {
    write("tokenizer_config.json", "{\"chat_template\": \"{{ a.b }}\"}");
    assertEquals("chat_template in tokenizer_config.json, line 1: 'a' is undefined", refusal());
    write("chat_template.jinja", "{{ messages[0].content.nothing() }}");
    assertEquals("chat_template.jinja, line 1: a 'str' has no attribute 'nothing'", refusal());
    assertEquals(Optional.empty(), ChatTemplate.load(directory).orElseThrow().fault());
  }

  /** What messages are told. */
  private String refusal() {
    ChatTemplate template = ChatTemplate.load(directory).orElseThrow();
    var e = assertThrows(TemplateException.class, () -> template.render(HI, true, Map.of()));
    return String.valueOf(e.getMessage());
  }

  @Test
  void noMessagesAreRefused() {
    var template = ChatTemplate.of("x", Map.of());
    assertThrows(TemplateException.class, () -> template.render(List.of(), true, Map.of()));
  }

  @Test
  void readsTheClock() {
    var template = ChatTemplate.of("{{ strftime_now('%Y') }}", Map.of());
    var year = template.render(HI, false, Map.of());
    assertTrue(year.matches("\\d{4}"), year);
  }
}
