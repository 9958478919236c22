package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.UnauthorizedException;
import io.lrt4j.QuestionException;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is wrong is said in OpenAI's form, by the field that it is about. */
class ErrorsTest {
  private static Served served;

  @BeforeAll
  static void start() {
    served = new Served(ServerOptions.builder().maxMessages(3).maxBodyBytes(2000).build());
  }

  @AfterAll
  static void stop() {
    served.close();
  }

  static void assertError(int status, String param, String message, HttpResponse<String> response)
      throws IOException {
    assertEquals(status, response.statusCode(), response.body());
    assertEquals("application/json", response.headers().firstValue("content-type").orElse(""));
    JsonNode error = Served.json(response).path("error");
    assertTrue(error.path("message").asText().contains(message), response.body());
    assertEquals(param, error.path("param").asText(), response.body());
    assertTrue(error.path("type").asText().endsWith("_error"), response.body());
    assertTrue(error.has("code"), response.body());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"temperature\":-1 | temperature | must be a number from 0.0 to 2.0, found -1",
        "\"temperature\":\"hot\" | temperature | must be a number",
        "\"top_p\":0 | top_p | top_p must be above 0 and at most 1, found 0",
        "\"top_p\":1e-50 | top_p | top_p must be above 0 and at most 1, found 1.0E-50",
        "\"n\":0 | n | must be a whole number from 1 to 128, found 0",
        "\"n\":129 | n | must be a whole number from 1 to 128, found 129",
        "\"temperature\":1e400 | temperature | from 0.0 to 2.0, found one beyond 64 bits",
        "\"repetition_penalty\":0 | repetition_penalty | must be a number from 0.01 to 100.0,"
            + " found",
        "\"n\":1.5 | n | must be a whole number",
        "\"seed\":1e3 | seed | must be a whole number",
        "\"max_tokens\":0 | max_tokens | must be a whole number from 1",
        "\"stop\":\"\" | stop | stop text must be not empty",
        "\"stop\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
            + "\"a\",\"a\",\"a\",\"a\",\"a\"] | stop | must have at most 16 items, found 17",
        "\"stop\":[1] | stop | must be a string or a list of strings",
        "\"stop\":5 | stop | must be a string or a list of strings, found 5",
        "\"stream\":1 | stream | must be true or false",
        "\"stream_options\":{} | stream_options | only allowed when stream is true",
        "\"reasoning_effort\":\"huge\" | reasoning_effort | must be none (direct), minimal",
        "\"chat_template_kwargs\":{\"enable_thinking\":\"no\"} |"
            + " chat_template_kwargs.enable_thinking | must be true or false",
        "\"chat_template_kwargs\":{\"thinking\":true} | chat_template_kwargs.thinking |"
            + " unrecognized request argument: chat_template_kwargs.thinking",
        "\"chat_template_kwargs\":{\"enable_thinking\":false},\"reasoning_effort\":\"low\" |"
            + " chat_template_kwargs.enable_thinking | false and the mode latent disagree",
        "\"chat_template_kwargs\":{\"enable_thinking\":true},\"lrt\":{\"mode\":\"direct\"} |"
            + " chat_template_kwargs.enable_thinking | true and the mode direct disagree",
        "\"lrt\":{\"mode\":\"fast\"} | lrt.mode | must be direct, latent, auto or explicit",
        "\"lrt\":{\"speed\":1} | lrt.speed | unrecognized request argument: lrt.speed",
        "\"lrt\":{\"mode\":\"latent\"},\"reasoning_effort\":\"high\" | lrt.mode | disagree",
        "\"temprature\":1 | temprature | unrecognized request argument",
        "\"lrt\":{\"latents\":4} | lrt.latents | as many latents as it was trained for",
        "\"presence_penalty\":3 | presence_penalty | must be a number from -2.0 to 2.0, found 3",
        "\"frequency_penalty\":-3 | frequency_penalty | must be a number from -2.0 to 2.0",
        "\"logit_bias\":{\"1\":5} | logit_bias | logit_bias is not supported",
        "\"response_format\":{\"type\":\"json_schema\"} | response_format.json_schema | have a"
            + " schema",
        "\"response_format\":{\"type\":\"xml\"} | response_format.type | must be text, json_object",
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"not\":{}}}} |"
            + " response_format | the JSON schema has the keyword not, which is not supported",
        "\"top_logprobs\":2 | top_logprobs | top_logprobs needs logprobs to be true",
        "\"logprobs\":true,\"top_logprobs\":21 | top_logprobs | must be a whole number from 0 to"
            + " 20",
        "\"tools\":[{\"type\":\"web\"}] | tools[0].type | must be function, found \"web\"",
        "\"tools\":[{\"type\":\"function\"}] | tools[0].function | must be an object, found"
            + " nothing",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}] |"
            + " tools[0].function.name | a tool's name must be 1 to 64 letters",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":1}}] |"
            + " tools[0].function.strict | must be true or false",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}] | tools |"
            + " tools are not supported with this model",
        "\"tool_choice\":\"auto\" | tool_choice | needs tools",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
            + "\"tool_choice\":\"any\" | tool_choice | must be none, auto, required or an object,"
            + " found \"any\"",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":"
            + "{\"type\":\"function\",\"function\":{\"name\":\"g\"}} | tool_choice |"
            + " must be one of those that the question offers, found g",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":"
            + "{\"type\":\"function\",\"name\":\"f\"} | tool_choice.name | unrecognized",
        "\"tool_choice\":{\"type\":\"function\",\"function\":{}} | tool_choice.function.name |"
            + " must be a string, found nothing",
        "\"tool_choice\":{\"type\":\"tool\"} | tool_choice.type | must be function",
        "\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\"}} |"
            + " tool_choice.allowed_tools.tools | must be a list of one function at least",
        "\"parallel_tool_calls\":1 | parallel_tool_calls | must be true or false",
        "\"audio\":{} | audio | audio is not supported",
        "\"modalities\":[\"audio\"] | modalities | not supported",
      })
  void fields(String field, String param, String message) throws IOException, InterruptedException {
    assertError(400, param, message, served.chat("," + field));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | null | the body must be a JSON object, found nothing",
        "[] | null | the body must be a JSON object, found a list",
        "{\"messages\":[} | null | the body is not JSON",
        "{\"messages\":[],\"messages\":[]} | null | Duplicate field",
        "{} {} | null | the body is not JSON",
        "{} | messages | at least one message",
        "{\"messages\":{}} | messages | must be a list",
        "{\"messages\":[1]} | messages | must be a list of objects",
        "{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]} | messages[0].role | must be"
            + " system",
        "{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]} | messages[0].tool_call_id | must"
            + " be a string",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[]}]} |"
            + " messages[0].tool_calls | goes with role assistant only",
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}]}"
            + " | messages[0].tool_calls[0].function | have a name",
        "{\"messages\":[{\"role\":\"user\"}]} | messages[0].content | must be a string or a list",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]} |"
            + " messages[0].content[0].type | must be text",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]} |"
            + " messages[0].content[0].text | must be a string, found nothing",
        "{\"messages\":[{},{},{},{}]} | messages | at most 3 items, found 4",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]} | messages | not Unicode",
        "{ | null | (start marker at line: 1, column: 1) at line 1, ",
        "{\"seed\":+1} | null | does not allow numbers to have plus signs at line 1, ",
      })
  void bodies(String body, String param, String message) throws IOException, InterruptedException {
    assertError(400, param, message, served.post("/v1/chat/completions", body));
  }

  /** What is wrong with a question is found by the engine, and said by the field it came in. */
  @ParameterizedTest
  @CsvSource({
    "MODE, '\"lrt\":{\"mode\":\"auto\"}', lrt.mode",
    "MODE, '\"reasoning_effort\":\"low\"', reasoning_effort",
    "TOOLS, '\"n\":1', tools",
    "JSON_SCHEMA, '\"stream\":true', response_format",
    ", '\"n\":1', messages"
  })
  void parts(QuestionException.@Nullable Part part, String field, String param)
      throws IOException, InterruptedException {
    var engine = new Scripted();
    var refused = new QuestionException("no");
    engine.failure = part == null ? refused : refused.about(part);
    try (var scripted = new Served(ServerOptions.defaults(), engine)) {
      assertError(400, param, "no", scripted.chat("," + field));
    }
  }

  /** Clients that shorten a conversation and ask again go by the code. */
  @ParameterizedTest
  @ValueSource(strings = {"/v1/chat/completions", "/v1/completions"})
  void tooLong(String path) throws IOException, InterruptedException {
    String text = "1 ".repeat(600);
    HttpResponse<String> response =
        served.post(
            path,
            path.contains("chat")
                ? "{\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}]}"
                : "{\"prompt\":\"" + text + "\"}");
    assertError(
        400, path.contains("chat") ? "messages" : "prompt", "is too long: at most ", response);
    assertEquals("context_length_exceeded", Served.json(response).at("/error/code").asText());
  }

  @Test
  void tooLarge() throws IOException, InterruptedException {
    assertError(
        413,
        "null",
        "the body must have at most 2000 bytes",
        served.chat(",\"user\":\"" + "x".repeat(3000) + "\""));
  }

  /** What the web server refuses by itself has a reason, too. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Content-Length: 2~~{} | Host header must be present",
        "Host: localhost~Content-Length: 2~Transfer-Encoding: chunked~~0~~ | must not be combined",
        "Host: localhost~Content-Length: two~~{} | Content length",
        "Host: localhost~Transfer-Encoding: chunked~~zz~{}~0~~ | the body's chunks",
        "Host: localhost~Transfer-Encoding: chunked~~fffffffff~{}~0~~ | the body's chunks",
        "Host: localhost~Transfer-Encoding: chunked~~1~{}~0~~ | the body's chunks",
        "Host: localhost~Transfer-Encoding: chunked~~2~{}~0~A: b~~ | the body's chunks",
      })
  void noSoundRequests(String request, String reason) throws IOException {
    assertClosed(400, reason, "POST /v1/chat/completions HTTP/1.1~" + request);
  }

  @Test
  void packedBodies() throws IOException, InterruptedException {
    String head = "POST /v1/chat/completions HTTP/1.1~Host: localhost~Content-Encoding: ";
    assertClosed(415, "must be identity", head + "gzip~Content-Length: 2~~{}");
    var plain =
        served
            .request("/v1/chat/completions")
            .header("Content-Encoding", "identity")
            .POST(HttpRequest.BodyPublishers.ofString("{}"))
            .build();
    assertError(
        400, "messages", "message", served.http.send(plain, HttpResponse.BodyHandlers.ofString()));
  }

  @ParameterizedTest
  @CsvSource({
    "400, GET /%zz HTTP/1.1~Host: x~~, the request line is no sound HTTP",
    "505, GET /health HTTP/1.0~~, only HTTP/1.1 is spoken here",
    "400, '\u0016\u0003\u0001\u0002', only HTTP/1.1 is spoken here" // how TLS begins
  })
  void noSoundBeginnings(int status, String request, String reason) throws IOException {
    assertClosed(status, reason, request);
  }

  @ParameterizedTest
  @ValueSource(ints = {5000, 100_000})
  void longUrls(int length) throws IOException {
    String request = "GET /" + "a".repeat(length) + " HTTP/1.1~Host: x~~";
    assertClosed(414, "too long", request);
  }

  /** That this is answered, and the connection closed. */
  private static void assertClosed(int status, String reason, String request) throws IOException {
    URI address = served.server.address();
    try (Socket socket = new Socket(address.getHost(), address.getPort())) {
      socket.setSoTimeout(10_000);
      socket
          .getOutputStream()
          .write(request.replace("~", "\r\n").getBytes(StandardCharsets.US_ASCII));
      String answer =
          new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8); // to its end
      assertTrue(answer.startsWith("HTTP/1.1 " + status + " "), answer);
      String body = answer.substring(answer.indexOf("\r\n\r\n"));
      assertTrue(Served.MAPPER.readTree(body).at("/error/message").asText().contains(reason), body);
    }
  }

  @Test
  void unknown() throws IOException, InterruptedException {
    assertError(404, "null", "unknown request: GET /v1/nothing", served.get("/v1/nothing"));
    assertError(404, "null", "unknown request: DELETE /x", served.send("DELETE", "/x"));
    assertError(
        404,
        "model",
        "the model \"gpt-9\" does not exist: this server has default",
        served.chat(",\"model\":\"gpt-9\""));
    assertError(404, "model", "the model \"\" does not exist", served.chat(",\"model\":\"\""));
  }

  @ParameterizedTest
  @CsvSource({
    "/, 200",
    "/health, 200",
    "/health/live, 200",
    "/metrics, 200",
    "/v1/models, 200",
    "/v1/models/default, 200",
    "/v1/models/gpt-9, 404",
    "/v1/nothing, 404"
  })
  void headIsGetWithoutBody(String path, int status) throws IOException, InterruptedException {
    HttpResponse<String> got = served.get(path);
    for (int i = 0; i < 2; i++) { // what came behind the first would be taken for the second
      HttpResponse<String> head = served.send("HEAD", path);
      assertEquals(status, head.statusCode());
      assertEquals("", head.body());
      assertEquals(header(got, "content-type"), header(head, "content-type"));
      if (status == 200 && !path.equals("/metrics")) { // else the method is told, or counted
        assertEquals(header(got, "content-length"), header(head, "content-length"));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"/health, 'GET, HEAD, OPTIONS'", "/v1/chat/completions, 'POST, OPTIONS'"})
  void otherMethods(String path, String allowed) throws IOException, InterruptedException {
    HttpResponse<String> options = served.send("OPTIONS", path);
    assertEquals(204, options.statusCode());
    assertEquals("", options.body());
    assertEquals(allowed, header(options, "allow"));
    for (String method : List.of("GET", "POST", "PUT", "DELETE", "PATCH")) {
      if (!allowed.contains(method)) {
        HttpResponse<String> refused = served.send(method, path);
        assertError(405, "null", method + " is not allowed on " + path, refused);
        assertEquals(allowed, header(refused, "allow"));
      }
    }
  }

  private static String header(HttpResponse<String> response, String name) {
    return response.headers().firstValue(name).orElse("none");
  }

  /** OpenAI's client knows them by their class. */
  @Test
  void clientsKnowThem() {
    var chat = served.client("none").chat().completions();
    assertThrows(BadRequestException.class, () -> chat.create(Served.question().n(1000).build()));
    assertThrows(
        NotFoundException.class, () -> chat.create(Served.question().model("gpt-9").build()));
  }

  @Test
  void keys() throws IOException, InterruptedException {
    var options = ServerOptions.builder().keys(List.of("first", "second")).build();
    try (var locked = new Served(options)) {
      assertEquals(1, locked.client("second").models().list().data().size());
      var models = locked.client("secon").models();
      assertThrows(UnauthorizedException.class, models::list);
      assertError(401, "null", "an API key is needed", locked.get("/v1/models"));
      assertError(401, "null", "an API key is needed", locked.send("DELETE", "/v1/models"));
      assertEquals(200, locked.get("/health").statusCode());
    }
    assertFalse(options.toString().contains("second"), options.toString());
  }

  @Test
  void keysAreShownAsBearers() throws IOException, InterruptedException {
    try (var locked = new Served(ServerOptions.builder().keys(List.of("right")).build())) {
      for (String shown : List.of("Bearer right", "bearer  right")) { // its case says nothing
        assertEquals(200, status(locked, shown), shown);
      }
      for (String shown :
          List.of(
              "Bearer Right",
              "Bearer righ",
              "Bearer rightright",
              "Bearer ",
              "Basic right",
              "right")) {
        assertEquals(401, status(locked, shown), shown);
      }
    }
  }

  private static int status(Served locked, String shown) throws IOException, InterruptedException {
    var request = locked.request("/v1/models").header("Authorization", shown).build();
    return locked.http.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
  }

  @Test
  void withoutKeysOnlyThisMachineIsLetIn() {
    for (String host : List.of("0.0.0.0", "::", "192.0.2.1")) {
      var open = ServerOptions.builder().host(host);
      var thrown = assertThrows(ServerOptions.KeysMissingException.class, open::build);
      assertTrue(String.valueOf(thrown.getMessage()).contains("found host " + host));
      assertEquals(host, open.keys(List.of("k")).build().host());
    }
    for (String host : List.of("127.0.0.1", "127.1.2.3", "::1", "localhost")) {
      assertEquals(host, ServerOptions.builder().host(host).build().host());
    }
    var blank = ServerOptions.builder().keys(List.of("k", " "));
    assertThrows(IllegalArgumentException.class, blank::build);
  }

  @Test
  void optionsOutOfRangeAreSaid() {
    assertOutOfRange("port must be", o -> o.port(-1), o -> o.port(65_536));
    assertOutOfRange("the limit of a request's body must be", o -> o.maxBodyBytes(0));
    assertOutOfRange("the limit of messages must be", o -> o.maxMessages(0));
    assertOutOfRange("answers at a time must be", o -> o.answers(0), o -> o.answers(1025));
    assertOutOfRange("the queue's length must be", o -> o.queue(-1), o -> o.queue((1 << 20) + 1));
    assertOutOfRange("the time limit must be", o -> o.timeLimit(Duration.ZERO));
    assertOutOfRange("the grace time must be", o -> o.grace(Duration.ofMillis(-1)));
    var least = ServerOptions.builder().port(0).maxBodyBytes(1).maxMessages(1).answers(1);
    assertEquals(0, least.queue(0).grace(Duration.ZERO).build().queue());
  }

  @SafeVarargs
  private static void assertOutOfRange(
      String message, UnaryOperator<ServerOptions.Builder>... changes) {
    for (var change : changes) {
      var changed = change.apply(ServerOptions.builder());
      var thrown = assertThrows(IllegalArgumentException.class, changed::build, message);
      assertTrue(String.valueOf(thrown.getMessage()).startsWith(message), thrown.getMessage());
    }
  }
}
