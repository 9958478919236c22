package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How large requests may be that say nothing of it, and what they are called. */
@Timeout(60)
class RequestsTest {
  private static final int MAX_BODY = 4 << 20; // what the documentation says
  private static final String BODY = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";

  private static final Scripted ENGINE = new Scripted();
  private static Served served;

  @BeforeAll
  static void start() {
    served = new Served(ServerOptions.defaults(), ENGINE);
    ENGINE.permits.release(1 << 20);
  }

  @AfterAll
  static void stop() {
    served.close();
  }

  @ParameterizedTest
  @CsvSource({"0, false, 200", "0, true, 200", "1, false, 413", "1, true, 413"})
  void bodyOfTheLimit(int more, boolean chunked, int status) throws IOException {
    int length = MAX_BODY + more;
    String body = BODY + " ".repeat(length - BODY.length());
    String head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            + (chunked ? "Transfer-Encoding: chunked" : "Content-Length: " + length)
            + "\r\n\r\n";
    try (var socket = new Socket(InetAddress.getLoopbackAddress(), port())) {
      socket.setSoTimeout(30_000);
      var out = socket.getOutputStream();
      try {
        out.write(ascii(head));
        if (chunked) {
          out.write(ascii(Integer.toHexString(length) + "\r\n" + body + "\r\n0\r\n\r\n"));
        } else if (more == 0) { // else the head says enough
          out.write(ascii(body));
        }
      } catch (SocketException e) {
        // it has heard enough, and has answered
      }
      String told = new String(socket.getInputStream().readNBytes(13), StandardCharsets.US_ASCII);
      assertEquals("HTTP/1.1 " + status + " ", told);
    }
  }

  private static int port() {
    return served.server.address().getPort();
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /** One that breaks off within its body reaches no engine, and counts as left. */
  @ParameterizedTest
  @ValueSource(strings = {"Content-Length: 99", "Transfer-Encoding: chunked"})
  void bodyThatBreaksOff(String how) throws IOException, InterruptedException {
    long before = left();
    try (var socket = new Socket(InetAddress.getLoopbackAddress(), port())) {
      String head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + how + "\r\n\r\n";
      socket.getOutputStream().write(ascii(head + "3f\r\n{"));
    }
    while (left() == before) {
      Thread.sleep(1); // the class has a time limit
    }
    assertEquals(before + 1, left());
    assertEquals(0, served.server.busy());
  }

  private static long left() throws IOException, InterruptedException {
    String counted =
        "lrt_requests_seconds_count{mode=\"none\",outcome=\"client_gone\","
            + "path=\"/v1/chat/completions\"} ";
    return served
        .get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith(counted))
        .mapToLong(line -> Long.parseLong(line.substring(counted.length())))
        .sum();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "mine", "0123456789abcdef01234567"})
  void eachHasAnIdOfItsOwn(String sent) throws IOException, InterruptedException {
    String first = "";
    for (int i = 0; i < 2; i++) {
      var request =
          served
              .request("/v1/chat/completions")
              .header("X-Request-Id", sent)
              .POST(HttpRequest.BodyPublishers.ofString(BODY))
              .build();
      var response = served.http.send(request, HttpResponse.BodyHandlers.ofString());
      String id = id(response);
      assertEquals("chatcmpl-" + id, Served.json(response).path("id").asText());
      assertNotEquals(first, id);
      assertNotEquals(sent, id);
      first = id;
    }
  }

  @Test
  void whatIsRefusedOrStreamedHasAnIdToo() throws IOException, InterruptedException {
    assertNotEquals(id(served.get("/nothing")), id(served.get("/health")));
    assertEquals(400, served.chat(",\"n\":0").statusCode());
    id(served.chat(",\"n\":0"));
    var streamed = served.chat(",\"stream\":true");
    assertTrue(streamed.body().contains("\"id\":\"chatcmpl-" + id(streamed) + "\""));
  }

  private static String id(HttpResponse<String> response) {
    String id = response.headers().firstValue("x-request-id").orElse("none");
    assertTrue(id.matches("[0-9a-f]{24}"), id);
    return id;
  }
}
