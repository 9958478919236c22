package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.openai.client.OpenAIClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.ReasoningEffort;
import com.openai.models.ResponseFormatJsonObject;
import com.openai.models.ResponseFormatJsonSchema;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import io.lrt4j.Answer;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** OpenAI's own client against the server; every answer is the engine's own. */
@SuppressWarnings("deprecation") // the client calls what is experimental deprecated
class ChatCompletionsTest {
  private static Served served;
  private static OpenAIClient client;

  @BeforeAll
  static void start() {
    served = new Served(ServerOptions.defaults());
    client = served.client("none");
  }

  @AfterAll
  static void stop() {
    served.close();
  }

  private static Answer alone(Mode mode) {
    return served.engine.ask(Question.of(Served.QUESTION).mode(mode));
  }

  /**
   * Some clients take "data: " off by its length, and others read text without a charset as
   * Latin-1.
   */
  @Test
  void streamsAreInOpenAisForm() throws IOException, InterruptedException {
    var response = served.chat(",\"stream\":true");
    assertEquals(
        "text/event-stream; charset=utf-8",
        response.headers().firstValue("content-type").orElse(""));
    for (String line : response.body().lines().filter(l -> !l.isEmpty()).toList()) {
      assertTrue(line.startsWith("data: {") || line.equals("data: [DONE]"), line);
    }
  }

  /** For vLLM -1 is all tokens. */
  @ParameterizedTest
  @CsvSource({"-1, 200", "0, 200", "-2, 400"})
  void allOfTheTopTokens(int k, int status) throws IOException, InterruptedException {
    assertEquals(status, served.chat(",\"top_k\":" + k).statusCode());
  }

  /** What clients hand back is the whole message, with null for whatever an answer can have. */
  @Test
  void anAnswerGoesBackAsItCame() throws IOException, InterruptedException {
    var response =
        served.post(
            "/v1/chat/completions",
            "{\"prediction\":null,\"tool_choice\":\"none\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
                + "\"content\":\"10\",\"refusal\":null,\"audio\":null,\"function_call\":null,"
                + "\"tool_calls\":null,\"annotations\":[],\"reasoning_details\":null},"
                + "{\"role\":\"user\",\"content\":\""
                + Served.QUESTION
                + "\",\"name\":null}]}");
    assertEquals(200, response.statusCode(), response.body());
  }

  @ParameterizedTest
  @CsvSource({
    "none, DIRECT",
    "minimal, LATENT",
    "low, LATENT",
    "medium, AUTO",
    "high, EXPLICIT",
    "xhigh, EXPLICIT"
  })
  void effortsAreModes(String effort, Mode mode) {
    Answer expected = alone(mode);
    ChatCompletion completion =
        client
            .chat()
            .completions()
            .create(Served.question().reasoningEffort(ReasoningEffort.of(effort)).build());
    var choice = completion.choices().getFirst();
    assertEquals(expected.text(), choice.message().content().orElseThrow());
    assertEquals(ChatCompletion.Choice.FinishReason.STOP, choice.finishReason());
    assertEquals(expected.reasoning(), reasoning(choice.message()._additionalProperties()));
    assertEquals(mode == Mode.EXPLICIT, !expected.reasoning().isEmpty());
    var usage = completion.usage().orElseThrow();
    assertEquals(expected.tokens().prompt(), usage.promptTokens());
    assertEquals(
        expected.tokens().reasoning() + expected.tokens().answer(), usage.completionTokens());
    assertEquals(usage.promptTokens() + usage.completionTokens(), usage.totalTokens());
    assertEquals(
        expected.tokens().reasoning(),
        usage.completionTokensDetails().orElseThrow().reasoningTokens().orElseThrow());
    long cached = usage.promptTokensDetails().orElseThrow().cachedTokens().orElseThrow();
    assertEquals(alone(mode).tokens().cached(), cached);
    assertEquals(Served.MODEL, completion.model());
  }

  /** As vLLM and SGLang have it; an effort says how. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"chat_template_kwargs\":{\"enable_thinking\":false} | direct",
        "\"chat_template_kwargs\":{\"enable_thinking\":true} | explicit",
        "\"chat_template_kwargs\":{\"enable_thinking\":true},\"reasoning_effort\":\"low\" | latent",
        "\"chat_template_kwargs\":{\"enable_thinking\":false},\"reasoning_effort\":\"none\" |"
            + " direct",
        "\"chat_template_kwargs\":{},\"reasoning_effort\":\"low\" | latent",
        "\"chat_template_kwargs\":null,\"reasoning_effort\":\"high\" | explicit",
      })
  void enableThinking(String fields, String mode) throws IOException, InterruptedException {
    var response = served.chat("," + fields);
    assertEquals(mode, Served.json(response).at("/choices/0/lrt/mode").asText(), response.body());
  }

  private static String reasoning(Map<String, JsonValue> properties) {
    JsonValue value = properties.get("reasoning_content");
    return value == null ? "" : value.asStringOrThrow();
  }

  @ParameterizedTest
  @CsvSource({"DIRECT", "LATENT", "AUTO", "EXPLICIT"})
  void streamsTheSame(Mode mode) {
    Answer expected = alone(mode);
    var params =
        Served.question()
            .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build())
            .putAdditionalBodyProperty(
                "lrt",
                JsonValue.from(Map.of("mode", mode.name().toLowerCase(java.util.Locale.ROOT))))
            .build();
    var whole = ChatCompletionAccumulator.create();
    List<ChatCompletionChunk> chunks;
    try (StreamResponse<ChatCompletionChunk> stream =
        client.chat().completions().createStreaming(params)) {
      chunks = stream.stream().peek(whole::accumulate).toList();
    }
    assertEquals(
        expected.text(),
        whole.chatCompletion().choices().getFirst().message().content().orElseThrow());
    assertEquals(
        expected.reasoning().strip(),
        chunks.stream()
            .flatMap(c -> c.choices().stream())
            .map(c -> reasoning(c.delta()._additionalProperties()))
            .collect(Collectors.joining())
            .strip());
    var last = chunks.getLast();
    assertTrue(last.choices().isEmpty());
    assertEquals(
        expected.tokens().reasoning() + expected.tokens().answer(),
        last.usage().orElseThrow().completionTokens());
    assertEquals(1, chunks.stream().filter(c -> c.usage().isPresent()).count());
  }

  @Test
  void severalAnswers() {
    var params = Served.question().n(3).temperature(1.5).seed(7);
    var whole = client.chat().completions().create(params.build());
    assertEquals(3, whole.choices().size());
    var accumulated = ChatCompletionAccumulator.create();
    try (var stream = client.chat().completions().createStreaming(params.build())) {
      stream.stream().forEach(accumulated::accumulate);
    }
    for (int i = 0; i < 3; i++) {
      Answer alone = served.engine.ask(Question.of(Served.QUESTION).temperature(1.5f).seed(7 + i));
      assertEquals(alone.text(), whole.choices().get(i).message().content().orElseThrow());
      assertEquals(
          alone.text(),
          accumulated.chatCompletion().choices().get(i).message().content().orElseThrow());
    }
  }

  @Test
  void seedsAreTold() throws IOException, InterruptedException {
    JsonNode json = Served.json(served.chat(",\"temperature\":1,\"seed\":7,\"n\":2"));
    assertEquals(7, json.at("/choices/0/lrt/seed").asLong());
    assertEquals(8, json.at("/choices/1/lrt/seed").asLong());
    JsonNode drawn = Served.json(served.chat(",\"temperature\":1"));
    assertTrue(drawn.at("/choices/0/lrt/seed").isIntegralNumber(), drawn.toString());
  }

  @Test
  void usageComesWithAStreamThatAsksForIt() throws IOException, InterruptedException {
    String body = served.chat(",\"stream\":true").body();
    assertTrue(body.contains("[DONE]") && !body.contains("usage"), body);
  }

  @Test
  void limitsAndStops() {
    var two =
        client
            .chat()
            .completions()
            .create(
                Served.question()
                    .reasoningEffort(ReasoningEffort.HIGH)
                    .maxCompletionTokens(4)
                    .build());
    assertEquals(
        ChatCompletion.Choice.FinishReason.LENGTH, two.choices().getFirst().finishReason());
    assertTrue(two.usage().orElseThrow().completionTokens() <= 4);
    String text = alone(Mode.LATENT).text();
    var stopped =
        client
            .chat()
            .completions()
            .create(Served.question().stop(text.substring(text.length() - 1)).build());
    assertEquals(
        text.substring(0, text.length() - 1),
        stopped.choices().getFirst().message().content().orElse(""));
  }

  @Test
  void whatWasReadBeforeIsCounted() {
    var params = Served.question().addUserMessage("And then? ".repeat(60)).build();
    ChatCompletion _ = client.chat().completions().create(params);
    var usage = client.chat().completions().create(params).usage().orElseThrow();
    long cached = usage.promptTokensDetails().orElseThrow().cachedTokens().orElseThrow();
    assertTrue(cached > 0 && cached < usage.promptTokens(), "cached " + cached);
  }

  private static ResponseFormatJsonSchema form(Object properties) {
    var schema =
        ResponseFormatJsonSchema.JsonSchema.Schema.builder()
            .putAdditionalProperty("type", JsonValue.from("object"))
            .putAdditionalProperty("properties", JsonValue.from(properties))
            .putAdditionalProperty("required", JsonValue.from(List.of("apples")))
            .putAdditionalProperty("additionalProperties", JsonValue.from(false))
            .build();
    return ResponseFormatJsonSchema.builder()
        .jsonSchema(
            ResponseFormatJsonSchema.JsonSchema.builder()
                .name("count")
                .strict(true)
                .schema(schema)
                .build())
        .build();
  }

  @ParameterizedTest
  @CsvSource({"DIRECT, 0", "LATENT, 0", "AUTO, 1.5", "EXPLICIT, 1.5"})
  void answersInJson(Mode mode, double temperature) throws IOException {
    var params =
        Served.question()
            .temperature(temperature)
            .seed(5)
            .n(2)
            .responseFormat(form(Map.of("apples", Map.of("type", "integer"))))
            .putAdditionalBodyProperty(
                "lrt",
                JsonValue.from(Map.of("mode", mode.name().toLowerCase(java.util.Locale.ROOT))))
            .build();
    var whole = client.chat().completions().create(params);
    var streamed = ChatCompletionAccumulator.create();
    try (var stream = client.chat().completions().createStreaming(params)) {
      stream.stream().forEach(streamed::accumulate);
    }
    for (int i = 0; i < 2; i++) {
      var choice = whole.choices().get(i);
      String text = choice.message().content().orElseThrow();
      assertEquals(ChatCompletion.Choice.FinishReason.STOP, choice.finishReason());
      JsonNode json = Served.MAPPER.readTree(text);
      assertTrue(json.size() == 1 && json.path("apples").isIntegralNumber(), text);
      assertEquals(
          text, streamed.chatCompletion().choices().get(i).message().content().orElseThrow());
    }
  }

  @Test
  void anyObjectOrARefusal() {
    var params = Served.question().maxCompletionTokens(9);
    String text =
        client
            .chat()
            .completions()
            .create(params.responseFormat(ResponseFormatJsonObject.builder().build()).build())
            .choices()
            .getFirst()
            .message()
            .content()
            .orElseThrow();
    assertTrue(text.strip().startsWith("{"), text);
    Question object = Question.of(Served.QUESTION).jsonSchema("{\"type\":\"object\"}");
    assertEquals(served.engine.ask(object.maxTokens(9)).text(), text);
    var even = params.responseFormat(form(Map.of("apples", Map.of("multipleOf", 2)))).build();
    var thrown =
        assertThrows(BadRequestException.class, () -> client.chat().completions().create(even));
    assertTrue(
        String.valueOf(thrown.getMessage())
            .contains("at /properties/apples has the keyword multipleOf, which is not supported"));
  }

  @Test
  void tellsHow() throws IOException, InterruptedException {
    JsonNode json = Served.json(served.chat(",\"lrt\":{\"mode\":\"latent\"}"));
    JsonNode lrt = json.at("/choices/0/lrt");
    assertEquals("latent", lrt.path("mode").asText());
    assertEquals(8, lrt.path("latent_tokens").asInt());
    assertTrue(lrt.at("/timings_ms/total").asDouble() > 0);
    assertTrue(lrt.at("/confidence/mean_logprob").isNumber());
    JsonNode explicit = Served.json(served.chat(",\"lrt\":{\"mode\":\"explicit\",\"budget\":4}"));
    assertTrue(explicit.at("/usage/completion_tokens").asInt() <= 4, explicit.toString());
  }

  @Test
  void models() {
    var models = client.models().list().data();
    assertEquals(List.of(Served.MODEL), models.stream().map(m -> m.id()).toList());
    assertEquals(Served.MODEL, client.models().retrieve(Served.MODEL).id());
  }

  @Test
  void health() throws IOException, InterruptedException {
    assertEquals("ready", Served.json(served.get("/health")).path("status").asText());
    assertEquals(200, served.get("/health/live").statusCode());
    assertEquals(200, served.get("/health/ready").statusCode());
  }

  @Test
  void partsOfATextAreOne() throws IOException, InterruptedException {
    String whole = Served.json(served.chat("")).at("/choices/0/message/content").asText();
    String half = Served.QUESTION.substring(0, 20);
    String rest = Served.QUESTION.substring(20);
    var parts =
        served.post(
            "/v1/chat/completions",
            "{\"model\":null,\"messages\":[{\"role\":\"user\",\"content\":["
                + "{\"type\":\"text\",\"text\":\""
                + half
                + "\"},{\"type\":\"text\",\"text\":\""
                + rest
                + "\"}]}]}");
    assertEquals(whole, Served.json(parts).at("/choices/0/message/content").asText());
    assertFalse(whole.isEmpty());
  }
}
