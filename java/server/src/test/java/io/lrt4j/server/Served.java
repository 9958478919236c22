package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/** The default model behind a server, with clients for it. */
final class Served implements AutoCloseable {
  static final String MODEL = "default";
  static final String QUESTION =
      "Tom has 3 apples. He doubles them. He buys 4 more. How many are there?";

  /** Silent, and kept: a logger that nobody holds forgets its level. */
  private static final List<Logger> LOGGERS =
      List.of(Logger.getLogger("io.helidon"), Logger.getLogger("io.lrt4j.server"));

  static {
    LOGGERS.forEach(logger -> logger.setLevel(Level.OFF));
  }

  static final ObjectMapper MAPPER = new ObjectMapper();

  final Engine engine;
  private final Engine real;
  final LrtServer server;
  final HttpClient http = HttpClient.newHttpClient();

  /** Shown with requests that are not a client's. */
  @Nullable String key;

  private final List<OpenAIClient> clients = new ArrayList<>();

  Served(ServerOptions options) {
    this(options, null);
  }

  /** With answers that are {@code scripted}, unless it is null. */
  Served(ServerOptions options, @Nullable Scripted scripted) {
    real = Engine.load(Path.of("../../models/default"), EngineOptions.defaults().withThreads(1));
    engine = scripted == null ? real : scripted.over(real);
    server = LrtServer.start(engine, options.toBuilder().port(0).build());
  }

  OpenAIClient client(String key) {
    OpenAIClient client =
        OpenAIOkHttpClient.builder()
            .baseUrl(server.address() + "/v1")
            .apiKey(key)
            .maxRetries(0)
            .timeout(Duration.ofSeconds(20))
            .build();
    clients.add(client);
    return client;
  }

  static ChatCompletionCreateParams.Builder question() {
    return ChatCompletionCreateParams.builder().model(MODEL).addUserMessage(QUESTION);
  }

  HttpRequest.Builder request(String path) {
    var request = HttpRequest.newBuilder(URI.create(server.address() + path));
    return key == null ? request : request.header("Authorization", "Bearer " + key);
  }

  HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return http.send(request(path).build(), HttpResponse.BodyHandlers.ofString());
  }

  /** A request without a body. */
  HttpResponse<String> send(String method, String path) throws IOException, InterruptedException {
    return http.send(
        request(path).method(method, HttpRequest.BodyPublishers.noBody()).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
    return http.send(
        request(path).POST(HttpRequest.BodyPublishers.ofString(body)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  /** A chat request, which may take its time. */
  CompletableFuture<HttpResponse<String>> ask(String body) {
    return http.sendAsync(
        request("/v1/chat/completions").POST(HttpRequest.BodyPublishers.ofString(body)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  /** A chat request with more fields than messages. */
  HttpResponse<String> chat(String fields) throws IOException, InterruptedException {
    return post(
        "/v1/chat/completions",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"" + QUESTION + "\"}]" + fields + "}");
  }

  static JsonNode json(HttpResponse<String> response) throws IOException {
    return MAPPER.readTree(response.body());
  }

  @Override
  public void close() {
    http.close();
    clients.forEach(OpenAIClient::close);
    server.close();
    real.close();
  }
}
