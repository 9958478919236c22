package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whom a server without keys answers, by the Host and Origin of requests. */
@Timeout(60)
class AllowedHostsTest {
  private static Served served;

  @BeforeAll
  static void start() {
    served = new Served(ServerOptions.defaults());
  }

  @AfterAll
  static void stop() {
    served.close();
  }

  private record Told(int status, JsonNode error) {}

  private static Told told(Served by, String request) throws IOException {
    String answer = answer(by, request);
    int status = Integer.parseInt(answer.substring(9, 12));
    String body = answer.substring(answer.indexOf("\r\n\r\n"));
    return new Told(
        status, status < 400 ? Json.object() : Served.MAPPER.readTree(body).path("error"));
  }

  private static String answer(Served by, String request) throws IOException {
    URI address = by.server.address();
    try (Socket socket = new Socket(address.getHost(), address.getPort())) {
      socket.setSoTimeout(10_000);
      socket
          .getOutputStream()
          .write((request + "\r\n\r\n").replace("~", "\r\n").getBytes(StandardCharsets.UTF_8));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static Told asked(Served by, String headers) throws IOException {
    return told(by, "GET /v1/models HTTP/1.1~Connection: close~" + headers);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "localhost",
        "localhost:8080",
        "localhost.",
        "localhost.:8080",
        "LocalHost:1",
        "app.localhost",
        "a.b.LocalHost.:8080",
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.9.8.7",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]:8080",
      })
  void thisMachine(String name) throws IOException {
    assertEquals(200, asked(served, "Host: " + name).status);
    for (String scheme : List.of("http", "https", "tauri")) {
      String origin = "Host: localhost~Origin: " + scheme + "://" + name;
      assertEquals(200, asked(served, origin).status, origin);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.localhost.example:80",
        "notlocalhost",
        "app.localhost.evil.example",
        "localhost..",
        "0.0.0.0:8080",
        "[::]",
        "192.168.1.5",
        "[fe80::1]",
        "[::ffff:192.168.1.5]",
        "128.0.0.1",
        "127.0.0.256",
        "0x7f000001",
        "*",
        "null",
      })
  void othersAreTold(String name) throws IOException {
    assertRefused("Host", name, asked(served, "Host: " + name));
    String origin = "http://" + name;
    assertRefused("Origin", origin, asked(served, "Host: localhost~Origin: " + origin));
  }

  /** These are no hosts. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "localhost@evil.example",
        "localhost:8080@evil.example",
        "evil.example@localhost",
        "evil.example#localhost",
        "localhost/evil.example",
        "localhost, evil.example",
        "localhost:8080:80",
        "localhost:http",
        "[::1",
        "::1",
        "[::1%25lo]",
        "[::1].evil.example",
        "l\u043Ecalhost", // with a letter of Cyrillic
      })
  void noHosts(String name) throws IOException {
    assertEquals(400, asked(served, "Host: " + name).status); // to the web server already
    Told told = asked(served, "Host: localhost~Origin: http://" + name);
    assertEquals(403, told.status);
    assertEquals("origin_not_allowed", told.error.path("code").asText());
  }

  private static void assertRefused(String header, String found, Told told) {
    assertEquals(403, told.status, found);
    assertEquals(
        header
            + " must have localhost, a loopback address or an allowed host, found "
            + found
            + ": without API keys others are let in by --allowed-host NAME (in Java,"
            + " ServerOptions.allowedHosts)",
        told.error.path("message").asText());
    assertEquals("invalid_request_error", told.error.path("type").asText());
    assertTrue(told.error.path("code").asText().endsWith("_not_allowed"), told.error.toString());
  }

  /** A sandboxed frame, a file, or one that hides where it is from. */
  @Test
  void pageWithoutAnOrigin() throws IOException {
    assertRefused("Origin", "null", asked(served, "Host: localhost~Origin: null"));
  }

  /** Of whatever method and path; nothing is written for it. */
  @ParameterizedTest
  @CsvSource({
    "GET, /",
    "GET, /health",
    "GET, /metrics",
    "GET, /nothing",
    "OPTIONS, /v1/chat/completions",
    "PUT, /v1/chat/completions",
    "POST, /v1/completions",
  })
  void wherever(String method, String path) throws IOException {
    String request = method + " " + path + " HTTP/1.1~Connection: close~Host: evil.example";
    assertRefused("Host", "evil.example", told(served, request));
  }

  /** What any page may send without asking the server first. */
  @Test
  void simpleRequestOfAPage() throws IOException {
    String request =
        "POST /v1/chat/completions HTTP/1.1~Connection: close~Host: localhost"
            + "~Content-Type: text/plain~Origin: https://evil.example~Content-Length: 2~~{}";
    assertRefused("Origin", "https://evil.example", told(served, request));
    assertEquals(400, told(served, request.replace("https://evil.example", "http://[::1]")).status);
  }

  /** Of HTTP/1.1; what has none in HTTP/1.0 is not answered either. */
  @ParameterizedTest
  @CsvSource({
    "400, GET / HTTP/1.1~A: b, Host header must be present",
    "400, GET / HTTP/1.1~Host: localhost~Host: localhost, single Host header",
    "400, GET / HTTP/1.1~Host: localhost~Host: evil.example, single Host header",
    "505, GET / HTTP/1.0, only HTTP/1.1",
  })
  void oneHost(int status, String request, String reason) throws IOException {
    Told told = told(served, request);
    assertEquals(status, told.status);
    assertTrue(told.error.path("message").asText().contains(reason), told.error.toString());
  }

  @Test
  void everyOrigin() throws IOException {
    String two = "Host: localhost~Origin: http://localhost~Origin: http://evil.example";
    assertRefused("Origin", "http://evil.example", asked(served, two));
  }

  @Test
  void allowed() throws IOException {
    var options =
        ServerOptions.builder().allowedHosts(List.of("LRT.example", "10.1.2.3", "fd00::5")).build();
    try (var named = new Served(options)) {
      for (String host :
          List.of(
              "lrt.example",
              "lrt.Example.:443",
              "10.1.2.3:80",
              "[fd00::5]",
              "[fd00:0::5]:1",
              "localhost")) {
        String both = "Host: " + host + "~Origin: https://" + host;
        assertEquals(200, asked(named, both).status, both);
      }
      for (String host : List.of("a.lrt.example", "example", "10.1.2.4", "[fd00::6]")) {
        assertEquals(403, asked(named, "Host: " + host).status, host);
      }
    }
  }

  @Test
  void any() throws IOException {
    try (var open = new Served(ServerOptions.builder().allowedHosts(List.of("*")).build())) {
      assertEquals(200, asked(open, "Host: evil.example~Origin: null").status);
      assertEquals(400, asked(open, "Host: evil.example~Host: localhost").status);
    }
  }

  /** Pages do not know them. */
  @Test
  void keysLetIn() throws IOException {
    try (var locked = new Served(ServerOptions.builder().keys(List.of("key")).build())) {
      String head = "Host: lrt.example~Origin: https://lrt.example";
      assertEquals(200, asked(locked, head + "~Authorization: Bearer key").status);
      assertEquals(401, asked(locked, head).status);
    }
  }

  /** A browser asks first, without the key, and looks at each answer for its leave. */
  @ParameterizedTest
  @ValueSource(strings = {"none", "key"})
  void pagesThatAreLetInMayRead(String key) throws IOException, InterruptedException {
    var options = ServerOptions.builder().keys(key.equals("key") ? List.of(key) : List.of());
    try (var open = new Served(options.build())) {
      String from = "~Connection: close~Host: localhost~Origin: http://localhost:3000";
      String asked =
          answer(
              open,
              "OPTIONS /v1/chat/completions HTTP/1.1~Access-Control-Request-Method: POST"
                  + "~Access-Control-Request-Headers: authorization,content-type"
                  + from);
      assertTrue(asked.startsWith("HTTP/1.1 204 "), asked);
      for (String header : List.of("Origin: *", "Methods: POST, OPTIONS", "Headers: auth")) {
        assertTrue(asked.contains("\r\nAccess-Control-Allow-" + header), asked);
      }
      for (String request : List.of("GET /v1/models", "GET /v1/models/none", "GET /health")) {
        String told = answer(open, request + " HTTP/1.1~Authorization: Bearer " + key + from);
        assertTrue(told.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), told);
      }
      String stream =
          answer(
              open,
              "POST /v1/completions HTTP/1.1~Content-Length: 28~Authorization: Bearer "
                  + key
                  + from
                  + "~~{\"prompt\":[1],\"stream\":true}");
      assertTrue(stream.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), stream);
      assertFalse(open.get("/health").headers().map().containsKey("access-control-allow-origin"));
    }
    String evil = "GET /v1/models HTTP/1.1~Host: localhost~Origin: http://evil.example";
    assertFalse(answer(served, evil + "~Connection: close").contains("Access-Control"));
  }

  @Test
  void namesOnly() {
    for (String host : List.of("a", "a.example", "*", "::1", "[::1]", "10.0.0.1", "a_b-c.")) {
      assertTrue(AllowedHosts.isHost(host), host);
    }
    for (String host :
        List.of("", " ", "a b", "a:80", "http://a", "[::1]:80", "*.example", "a/", "u@a", "[a]")) {
      assertFalse(AllowedHosts.isHost(host), host);
    }
  }
}
