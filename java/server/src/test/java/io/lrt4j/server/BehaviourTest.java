package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.helidon.common.socket.HelidonSocket;
import io.helidon.webserver.ConnectionContext;
import io.lrt4j.CacheMemoryException;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.OverloadedException;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import io.lrt4j.TemplateException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a server does that is busy, left, hurried, closed, or whose engine fails. */
@Timeout(60)
class BehaviourTest {
  private final Scripted engine = new Scripted();
  private final Served served = new Served(options(), engine);

  private static ServerOptions options() {
    return ServerOptions.builder().answers(2).queue(1).grace(Duration.ofSeconds(30)).build();
  }

  @AfterEach
  void stop() {
    engine.permits.release(1 << 20);
    served.close();
  }

  private static String body(boolean stream) {
    return "{\"stream\":" + stream + ",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
  }

  private CompletableFuture<HttpResponse<String>> ask(boolean stream) {
    return served.ask(body(stream));
  }

  private static void await(BooleanSupplier condition) throws InterruptedException {
    while (!condition.getAsBoolean()) { // the class has a time limit
      Thread.sleep(1);
    }
  }

  @Test
  void fullQueueIsToldToComeAgain() throws Exception {
    var asked = List.of(ask(false), ask(true), ask(false));
    await(() -> served.server.busy() == 3);
    HttpResponse<String> refused = ask(false).get();
    assertEquals(429, refused.statusCode());
    assertEquals("1", refused.headers().firstValue("retry-after").orElse(""));
    assertEquals("queue_full", Served.json(refused).at("/error/code").asText());
    engine.permits.release(100);
    for (var answer : asked) {
      assertEquals(200, answer.get().statusCode());
    }
    await(() -> served.server.busy() == 0);
    assertEquals(200, ask(false).get().statusCode());
  }

  @ParameterizedTest
  @CsvSource({
    "/health, close",
    "/nothing, close",
    "/v1/chat/completions, close",
    "/v1/chat/completions, Close",
    "/v1/chat/completions, 'x, close'"
  })
  void connectionsAreClosedForThoseWhoAsk(String path, String how) throws IOException {
    engine.permits.release(100);
    String body = path.startsWith("/v1") ? body(true) : "";
    String request =
        (body.isEmpty() ? "GET " : "POST ")
            + path
            + " HTTP/1.1\r\nHost: localhost\r\nConnection: "
            + how
            + "\r\nContent-Length: "
            + body.length()
            + "\r\n\r\n"
            + body;
    try (Socket socket = connect()) {
      socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
      String answer =
          new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8); // to its end
      assertTrue(answer.startsWith("HTTP/1.1 " + (path.equals("/nothing") ? 404 : 200)), answer);
      assertTrue(answer.contains("\r\nConnection: close\r\n"), answer);
    }
  }

  /** Whoever goes away is noticed without a token being written. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void clientThatGoesAwayFreesItsPlace(boolean stream) throws Exception {
    try (Socket socket = connect()) {
      send(socket, stream);
      engine.begun.await();
      if (stream) {
        engine.permits.release();
        readUntil(socket, "\"x\"");
      }
    }
    await(() -> served.server.busy() == 0);
    assertEquals(List.of(FinishReason.CANCELLED), engine.ended);
    awaitOutcome(served, "client_gone");
  }

  @Test
  void whoWaitsAndGoesAwayFreesItsPlaceAtOnce() throws Exception {
    var asked = List.of(ask(false), ask(false));
    await(() -> served.server.busy() == 2);
    try (Socket socket = connect()) {
      send(socket, false);
      await(() -> served.server.busy() == 3);
    }
    await(() -> served.server.busy() == 2);
    engine.permits.release(100);
    for (var answer : asked) {
      assertEquals(200, answer.get().statusCode());
    }
  }

  /**
   * One reads nothing of far more than buffers hold; its answer ends, and so do those of others.
   */
  @Test
  void slowReaderHoldsNobodyBack() throws Exception {
    engine.text = "long ".repeat(20_000);
    engine.length = 200;
    engine.permits.release(1 << 20);
    try (Socket socket = connect()) {
      send(socket, true);
      await(() -> engine.ended.size() == 1);
      assertEquals(FinishReason.STOP, engine.ended.getFirst());
      await(() -> served.server.busy() == 0);
      engine.text = "x";
      assertEquals(200, ask(false).get().statusCode());
    }
  }

  /** A client that takes longer than its limit loses its connection; one in time keeps it. */
  @Test
  void aLimitThatIsOverBreaksTheConnectionOff() throws Exception {
    var closed = new CountDownLatch(1);
    HelidonSocket socket =
        proxy(
            HelidonSocket.class,
            (_, method, _) -> {
              if (method.getName().equals("close")) {
                closed.countDown();
              }
              return null;
            });
    ConnectionContext connection =
        proxy(
            ConnectionContext.class,
            (_, method, _) -> method.getName().equals("serverSocket") ? socket : null);
    Connections.Limit kept = Connections.limit(connection, Duration.ofDays(1));
    kept.close();
    kept.clock.join();
    assertEquals(1, closed.getCount());
    try (var _ = Connections.limit(connection, Duration.ZERO)) {
      closed.await();
    }
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }

  @Test
  void connectionIsKeptForTheNextRequest() throws Exception {
    engine.permits.release(100);
    try (Socket socket = connect()) {
      for (int i = 0; i < 3; i++) {
        send(socket, i == 1);
        assertNotNull(readUntil(socket, i == 1 ? "[DONE]" : "total_tokens"));
      }
      send(socket, false);
      send(socket, false); // before the first is answered
      readUntil(socket, "total_tokens");
      readUntil(socket, "total_tokens");
    }
    await(() -> served.server.watched() == 0);
    assertEquals(5, engine.ended.size());
  }

  @Test
  void closingLetsAnswersEnd() throws Exception {
    var answer = ask(true);
    engine.begun.await();
    var closing = Thread.ofVirtual().start(served.server::close);
    await(() -> !served.server.isReady());
    var refused = ask(false).get();
    assertEquals(503, refused.statusCode());
    assertEquals("1", refused.headers().firstValue("retry-after").orElse(""));
    engine.permits.release(100);
    assertTrue(answer.get().body().contains("[DONE]"));
    closing.join();
    assertEquals(List.of(FinishReason.STOP), engine.ended);
  }

  /** Whoever asks while answers end is told to ask elsewhere, and does not hold a connection. */
  @Test
  void closingEndsConnections() throws Exception {
    var answer = ask(true);
    engine.begun.await();
    var closing = Thread.ofVirtual().start(served.server::close);
    await(() -> !served.server.isReady());
    try (Socket socket = connect()) {
      String request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
      socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
      String told =
          new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8); // to its end
      assertTrue(told.startsWith("HTTP/1.1 503 "), told);
      assertTrue(told.contains("\r\nConnection: close\r\n"), told);
      assertTrue(told.contains("\"closing\""), told);
    }
    assertFalse(answer.isDone());
    engine.permits.release(100);
    assertTrue(answer.get().body().contains("[DONE]"));
    closing.join();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void closingEndsWhatTakesTooLong(boolean stream) throws Exception {
    try (var hasty =
        new Served(options().toBuilder().grace(Duration.ofMillis(50)).build(), engine)) {
      var answer = hasty.ask(body(stream));
      engine.begun.await();
      engine.permits.release();
      await(() -> engine.permits.availablePermits() == 0);
      hasty.server.close();
      var response = answer.get();
      assertEquals(stream ? 200 : 503, response.statusCode());
      assertTrue(response.body().contains("the server is shutting down"), response.body());
      assertEquals(List.of(FinishReason.CANCELLED), engine.ended);
    }
  }

  @Test
  void failuresOfTheEngineEndOneAnswer() throws Exception {
    for (Throwable failure :
        List.of(
            new IllegalStateException("secret"),
            new OutOfMemoryError("secret"),
            new StackOverflowError("secret"))) {
      engine.failure = failure;
      var response = ask(true).get();
      assertEquals(500, response.statusCode());
      assertEquals("internal error", Served.json(response).at("/error/message").asText());
      assertFalse(response.body().contains("secret"));
    }
    engine.failure = null;
    engine.permits.release(100);
    assertEquals(200, ask(true).get().statusCode());
    assertEquals(0, served.server.busy());
  }

  @Test
  void whatIsAskedForReachesTheEngine() throws Exception {
    engine.permits.release(100);
    String fields =
        "\"temperature\":1.25,\"top_k\":7,\"top_p\":0.75,\"min_p\":0.125,"
            + "\"repetition_penalty\":1.5,\"presence_penalty\":1.5,\"frequency_penalty\":-2,"
            + "\"stop\":[\"a\",\"b\"],\"seed\":5,\"max_tokens\":9,";
    assertEquals(200, served.ask(body(false).replaceFirst("\\{", "{" + fields)).get().statusCode());
    GenerationOptions options = engine.asked().options();
    assertEquals(1.25f, options.temperature());
    assertEquals(7, options.topK());
    assertEquals(0.75f, options.topP());
    assertEquals(0.125f, options.minP());
    assertEquals(1.5f, options.repetitionPenalty());
    assertEquals(1.5f, options.presencePenalty());
    assertEquals(-2, options.frequencyPenalty());
    assertEquals(List.of("a", "b"), options.stop());
    assertEquals(5, options.seed());
    assertEquals(9, options.maxTokens());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | 16",
        ",\"max_tokens\":5 | 5",
        ",\"max_completion_tokens\":7,\"max_tokens\":5 | 7",
      })
  void textsGoOnForSixteenTokens(String fields, int tokens) throws Exception {
    assertEquals(
        200, served.post("/v1/completions", "{\"prompt\":\"a\"" + fields + "}").statusCode());
    assertEquals(tokens, engine.generated().maxTokens());
  }

  @Test
  void developersSpeakAsTheSystem() throws Exception {
    engine.permits.release(100);
    for (String role : List.of("system", "developer")) {
      String developer = "[{\"role\":\"" + role + "\",\"content\":\"be brief\"},";
      assertEquals(200, served.ask(body(false).replace("[", developer)).get().statusCode());
      assertEquals(
          List.of(new Message(Role.SYSTEM, "be brief"), new Message(Role.USER, "x")),
          engine.asked().messages());
    }
  }

  @Test
  void severalAnswersReadThePromptOnce() throws Exception {
    engine.permits.release(100);
    var usage = Served.json(served.ask(body(false).replaceFirst("\\{", "{\"n\":3,")).get());
    assertEquals(1, usage.at("/usage/prompt_tokens").asInt());
    assertEquals(3 * engine.length, usage.at("/usage/completion_tokens").asInt());
    assertEquals(1 + 3 * engine.length, usage.at("/usage/total_tokens").asInt());
  }

  @Test
  void moreAnswersThanThereArePlacesAreRefused() throws Exception {
    var response = served.ask(body(false).replaceFirst("\\{", "{\"n\":4,")).get();
    ErrorsTest.assertError(
        400, "n", "n must ask for at most 3 answers", response); // coming again is no use
  }

  @Test
  void engineThatIsBusyIsToldLikeAFullQueue() throws Exception {
    engine.failure = new OverloadedException("the engine is busy");
    var refused = ask(false).get();
    assertEquals(429, refused.statusCode());
    assertEquals("1", refused.headers().firstValue("retry-after").orElse(""));
    assertEquals("the engine is busy", Served.json(refused).at("/error/message").asText());
  }

  @Test
  void noMemoryForNowIsToldToComeAgain() throws Exception {
    engine.failure = new CacheMemoryException("no room for its keys and values");
    var refused = ask(false).get();
    ErrorsTest.assertError(503, "null", "no room for its keys and values", refused);
    assertEquals("1", refused.headers().firstValue("retry-after").orElse(""));
  }

  @Test
  void conversationThatTheTemplateRefuses() throws Exception {
    engine.failure = new TemplateException("roles must alternate");
    ErrorsTest.assertError(400, "messages", "roles must alternate", ask(false).get());
  }

  /** What there is of an answer whose time was over is none. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void engineThatRunsOutOfTime(boolean stream) throws Exception {
    engine.end = FinishReason.TIMEOUT;
    engine.permits.release(100);
    var response = ask(stream).get();
    assertEquals(stream ? 200 : 504, response.statusCode());
    assertTrue(response.body().contains("\"code\":\"timeout\""), response.body());
    assertFalse(response.body().contains("finish_reason\":\""), response.body());
    awaitOutcome(served, "timeout");
  }

  private static void awaitOutcome(Served of, String outcome) throws Exception {
    while (!of.get("/metrics").body().contains("outcome=\"" + outcome + "\",path=\"/v1/chat")) {
      Thread.sleep(1); // a request is counted after its answer; the class has a time limit
    }
  }

  @Test
  void answerThatIsCancelledInTheEngineIsNone() throws Exception {
    engine.end = FinishReason.CANCELLED;
    ErrorsTest.assertError(503, "null", "the answer was ended by the server", ask(false).get());
  }

  @Test
  void timeLimit() throws Exception {
    var slow = new Scripted();
    try (var hurried =
        new Served(options().toBuilder().timeLimit(Duration.ofMillis(50)).build(), slow)) {
      var response = hurried.ask(body(false)).get();
      assertEquals(504, response.statusCode());
      assertEquals("timeout", Served.json(response).at("/error/code").asText());
      awaitOutcome(hurried, "timeout");
      await(() -> hurried.server.busy() == 0);
      assertEquals(List.of(FinishReason.CANCELLED), slow.ended);
    }
  }

  private Socket connect() throws IOException {
    var socket = new Socket();
    socket.setSoTimeout(30_000); // what is read is there sooner, or never
    socket.connect(
        new InetSocketAddress(InetAddress.getLoopbackAddress(), served.server.address().getPort()));
    return socket;
  }

  private static void send(Socket socket, boolean stream) throws IOException {
    String body = body(stream);
    String head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
            + body.length()
            + "\r\n\r\n";
    socket.getOutputStream().write((head + body).getBytes(StandardCharsets.US_ASCII));
  }

  private static String readUntil(Socket socket, String end) throws IOException {
    InputStream in = socket.getInputStream();
    var text = new StringBuilder();
    while (text.indexOf(end) < 0) {
      int c = in.read();
      if (c < 0) {
        throw new IOException("no " + end + " in " + text);
      }
      text.append((char) c);
    }
    return text.toString();
  }
}
