package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.openai.core.JsonValue;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.ResponseFormatJsonObject;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionMessage;
import com.openai.models.chat.completions.ChatCompletionToolMessageParam;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import io.lrt4j.ToolChoice;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** OpenAI's own client calls tools: what it sends reaches the engine, and what that calls, it. */
class ToolsTest {
  private static final List<ToolCall> CALLS =
      List.of(new ToolCall("add", "{\"a\":1}"), new ToolCall("add", "{\"a\":2}"));

  private static ChatCompletionCreateParams.Builder question() {
    return Served.question()
        .addFunctionTool(
            FunctionDefinition.builder()
                .name("add")
                .description("adds")
                .parameters(
                    FunctionParameters.builder()
                        .putAdditionalProperty("type", JsonValue.from("object"))
                        .build())
                .build());
  }

  @Test
  void callsAndResults() {
    var engine = new Scripted();
    engine.permits.release(1 << 20);
    engine.toolCalls = CALLS;
    engine.text = "";
    try (var served = new Served(ServerOptions.defaults(), engine)) {
      var chat = served.client("none").chat().completions();
      var whole = chat.create(question().build());
      var message = called(whole);
      assertEquals(Optional.empty(), message.content()); // null, as OpenAI says nothing
      assertEquals(
          List.of(new Tool("add", "adds", "{\"type\":\"object\"}")), engine.asked().tools());
      var accumulated = ChatCompletionAccumulator.create();
      try (var stream = chat.createStreaming(question().build())) {
        stream.stream().forEach(accumulated::accumulate);
      }
      called(accumulated.chatCompletion());

      engine.toolCalls = List.of();
      engine.text = "x";
      String id = message.toolCalls().orElseThrow().getFirst().asFunction().id();
      var answer =
          chat.create(
              question()
                  .addMessage(message)
                  .addMessage(
                      ChatCompletionToolMessageParam.builder().toolCallId(id).content("3").build())
                  .build());
      assertEquals(
          ChatCompletion.Choice.FinishReason.STOP, answer.choices().getFirst().finishReason());
      assertEquals(
          List.of(
              new Message(Role.USER, Served.QUESTION),
              new Message(Role.ASSISTANT, "", CALLS),
              new Message(Role.TOOL, "3")),
          engine.asked().messages());
      var strict = FunctionDefinition.builder().name("sub").strict(true).build();
      assertTrue(chat.create(question().addFunctionTool(strict).build()).isValid());
      assertEquals(new Tool("sub", "", "{}", true), engine.asked().tools().getLast());
      var none = question().putAdditionalBodyProperty("tool_choice", JsonValue.from("none"));
      assertTrue(chat.create(none.build()).isValid());
      assertEquals(List.of(), engine.asked().tools());
    }
  }

  /**
   * As agents with an output type ask: calls, or an answer of the schema; the engine sees to it.
   */
  @Test
  void toolsBesideAJsonSchema() {
    var engine = new Scripted();
    engine.permits.release(1 << 20);
    engine.toolCalls = CALLS;
    engine.text = "";
    try (var served = new Served(ServerOptions.defaults(), engine)) {
      var chat = served.client("none").chat().completions();
      var both = question().responseFormat(ResponseFormatJsonObject.builder().build());
      called(chat.create(both.build()));
      assertEquals(1, engine.asked().tools().size());
      assertEquals("{\"type\":\"object\"}", engine.asked().options().jsonSchema());
      engine.toolCalls = List.of();
      engine.text = "{}";
      engine.length = 1;
      var accumulated = ChatCompletionAccumulator.create();
      try (var stream = chat.createStreaming(both.build())) {
        stream.stream().forEach(accumulated::accumulate);
      }
      var choice = accumulated.chatCompletion().choices().getFirst();
      assertEquals(Optional.of("{}"), choice.message().content());
      assertEquals(ChatCompletion.Choice.FinishReason.STOP, choice.finishReason());
      var none = both.putAdditionalBodyProperty("tool_choice", JsonValue.from("none"));
      assertTrue(chat.create(none.build()).isValid());
      assertEquals(List.of(), engine.asked().tools());
      assertEquals("{\"type\":\"object\"}", engine.asked().options().jsonSchema());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "auto | true | false | | tool_calls",
        "auto | | false | | tool_calls",
        "auto | false | false | | tool_calls",
        "required | | true | | tool_calls",
        "required | false | true | | tool_calls",
        "{\"type\":\"function\",\"function\":{\"name\":\"add\"}} | false | true | add | stop",
        "{\"type\":\"function\",\"function\":{\"name\":\"add\"}} | true | true | add | stop",
        "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\"}}]}}"
            + " | | false | add | tool_calls",
        "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":"
            + "[{\"type\":\"function\",\"function\":{\"name\":\"add\"}},{\"type\":\"function\","
            + "\"function\":{\"name\":\"sub\"}}]}} | | true | add,sub | tool_calls",
      })
  void choices(
      String choice,
      @Nullable Boolean parallel,
      boolean required,
      @Nullable String names,
      String reason)
      throws IOException {
    var engine = new Scripted();
    engine.permits.release(1 << 20);
    engine.toolCalls = CALLS;
    engine.text = "";
    try (var served = new Served(ServerOptions.defaults(), engine)) {
      var chat = served.client("none").chat().completions();
      var question = question().addFunctionTool(FunctionDefinition.builder().name("sub").build());
      Object sent =
          choice.startsWith("{") ? new ObjectMapper().readValue(choice, Map.class) : choice;
      question.putAdditionalBodyProperty("tool_choice", JsonValue.from(sent));
      if (parallel != null) {
        question.parallelToolCalls(parallel);
      }
      assertEquals(
          reason, chat.create(question.build()).choices().getFirst().finishReason().asString());
      boolean several = parallel == null || parallel;
      List<String> named = names == null ? List.of() : List.of(names.split(","));
      assertEquals(new ToolChoice(required, several, named), engine.asked().toolChoice());
      assertEquals(2, engine.asked().tools().size());
      var accumulated = ChatCompletionAccumulator.create();
      try (var stream = chat.createStreaming(question.build())) {
        stream.stream().forEach(accumulated::accumulate);
      }
      var last = accumulated.chatCompletion().choices().getFirst();
      assertEquals(reason, last.finishReason().asString());
      assertEquals(2, last.message().toolCalls().orElseThrow().size());
    }
  }

  private static ChatCompletionMessage called(ChatCompletion completion) {
    var choice = completion.choices().getFirst();
    assertEquals(ChatCompletion.Choice.FinishReason.TOOL_CALLS, choice.finishReason());
    var calls =
        choice.message().toolCalls().orElseThrow().stream().map(c -> c.asFunction()).toList();
    assertEquals(
        CALLS,
        calls.stream()
            .map(c -> new ToolCall(c.function().name(), c.function().arguments()))
            .toList());
    assertNotEquals(calls.getFirst().id(), calls.getLast().id());
    assertEquals("", choice.message().content().orElse(""));
    return choice.message();
  }
}
