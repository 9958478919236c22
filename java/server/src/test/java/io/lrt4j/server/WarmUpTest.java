package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.Engine;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A server that warms up is ready once it is warm, and serves before. */
@Timeout(60)
class WarmUpTest {
  private static final Duration TOOK = Duration.ofMillis(1234);

  private final HttpClient http = HttpClient.newHttpClient();
  private Engine real;
  private ServerOptions options;

  @BeforeEach
  void load() throws IOException {
    real = Engine.load(Path.of("../../models/default"));
    try (var free = new ServerSocket(0, 0, InetAddress.getLoopbackAddress())) {
      options = ServerOptions.builder().port(free.getLocalPort()).warmUp(true).build();
    }
  }

  @AfterEach
  void close() {
    http.close();
    real.close();
  }

  private Engine engine(Supplier<Duration> warmUp) {
    return (Engine)
        Proxy.newProxyInstance(
            Engine.class.getClassLoader(),
            new Class<?>[] {Engine.class},
            (_, method, args) ->
                method.getName().equals("warmUp") ? warmUp.get() : method.invoke(real, args));
  }

  private String get(String path) {
    URI uri = URI.create("http://127.0.0.1:" + options.port() + path);
    try {
      HttpResponse<String> response =
          http.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
      return response.statusCode() + " " + Served.json(response).path("status").asText();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void readyOnceItIsWarm() {
    List<String> meanwhile = new ArrayList<>();
    Engine engine =
        engine(
            () -> {
              for (String path :
                  List.of("/health", "/health/ready", "/health/live", "/v1/models")) {
                meanwhile.add(get(path));
              }
              return TOOK;
            });
    try (LrtServer server = LrtServer.start(engine, options)) {
      assertEquals(List.of("503 warming up", "503 warming up", "200 live", "200 "), meanwhile);
      assertEquals("200 ready", get("/health/ready"));
      assertEquals(TOOK, server.warmUpTime());
    }
  }

  @Test
  void notUnlessItIsAskedTo() {
    Engine engine =
        engine(
            () -> {
              throw new AssertionError("warmed up");
            });
    ServerOptions cold = options.toBuilder().warmUp(false).build();
    try (LrtServer server = LrtServer.start(engine, cold)) {
      assertEquals("200 ready", get("/health/ready"));
      assertEquals(Duration.ZERO, server.warmUpTime());
    }
  }

  @Test
  void oneThatFailsLeavesNothingBehind() {
    var off = new CancellationException("off");
    Engine engine =
        engine(
            () -> {
              throw off;
            });
    assertSame(
        off, assertThrows(CancellationException.class, () -> LrtServer.start(engine, options)));
    try (LrtServer server = LrtServer.start(real, options)) { // on the same port
      assertEquals("200 ready", get("/health/ready"));
      assertEquals(options.port(), server.address().getPort());
    }
  }
}
