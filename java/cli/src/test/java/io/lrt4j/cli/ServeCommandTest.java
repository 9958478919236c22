package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lrt serve} in a process of its own, which SIGTERM ends. */
class ServeCommandTest {
  @Test
  void servesUntilItIsToldToEnd(@TempDir Path folder) throws IOException, InterruptedException {
    Path keys = Files.writeString(folder.resolve("keys"), "one\n\n two \n");
    Path err = folder.resolve("err");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-XX:TieredStopAtLevel=1", // soon warm
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "serve",
                "--model",
                TinyModels.BASE.toString(),
                "--network",
                TinyModels.NETWORK.toString(),
                "--backend",
                "scalar",
                "--port",
                "0",
                "--key-file",
                keys.toString(),
                "--json")
            .redirectError(err.toFile())
            .start();
    try (var lines = process.inputReader(StandardCharsets.UTF_8);
        var http = HttpClient.newHttpClient()) {
      String first = lines.readLine();
      assertTrue(first != null, () -> read(err));
      String address = new ObjectMapper().readTree(first).path("address").asText();
      var request =
          HttpRequest.newBuilder(URI.create(address + "/v1/models"))
              .header("Authorization", "Bearer two")
              .build();
      var response = http.send(request, HttpResponse.BodyHandlers.ofString());
      assertEquals(200, response.statusCode(), response.body());
      assertTrue(response.body().contains("qwen3-tied-bf16"), response.body());
      try (var socket = new Socket("127.0.0.1", URI.create(address).getPort())) {
        socket.getOutputStream().write("GET / HTTP/1.1\r\nHost".getBytes(StandardCharsets.UTF_8));
        socket.shutdownOutput(); // within the head
        assertTrue(socket.getInputStream().readAllBytes().length > 0);
      }
      try (var slow = new Socket("127.0.0.1", URI.create(address).getPort())) {
        String head =
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer one\r\n"
                + "Content-Length: 14\r\nExpect: 100-continue\r\n\r\n";
        slow.getOutputStream().write(head.getBytes(StandardCharsets.UTF_8));
        assertEquals("HTTP/1.1 100 ", read(slow, 13)); // the body is about to be read
        slow.getOutputStream().write("{\"prompt\"".getBytes(StandardCharsets.UTF_8));
        process.destroy(); // SIGTERM
        var health = HttpRequest.newBuilder(URI.create(address + "/health")).build();
        while (http.send(health, HttpResponse.BodyHandlers.ofString()).statusCode() != 503) {
          Thread.sleep(1); // it does not end yet
        }
        slow.getOutputStream().write(":[1]}".getBytes(StandardCharsets.UTF_8));
        assertTrue(slow.getInputStream().read() > 0);
      }
      assertEquals(143, process.waitFor());
      assertTrue(read(err).contains(" POST /v1/completions 503 "), read(err)); // in the grace time
      assertTrue(read(err).contains(" GET /v1/models 200 "), read(err));
      assertTrue(read(err).contains("; warmed up in "), read(err));
      assertFalse(read(err).contains("nternal"), read(err));
    } finally {
      process.destroyForcibly();
    }
  }

  private static String read(Socket socket, int bytes) throws IOException {
    return new String(socket.getInputStream().readNBytes(bytes), StandardCharsets.US_ASCII);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  @Test
  void keyFileMustHaveKeys(@TempDir Path folder) throws IOException {
    Path keys = Files.writeString(folder.resolve("keys"), "\n");
    Run run = Run.of("serve", "--key-file", keys.toString());
    assertEquals(1, run.status());
    assertTrue(run.err().contains("has no key in it"), run.err());
    Files.write(keys, new byte[] {(byte) 0xff});
    run = Run.of("serve", "--key-file", keys.toString());
    assertEquals("lrt: --key-file " + keys + " cannot be read: it is not UTF-8\n", run.err());
  }

  @Test
  void takenPortIsOneLine() throws IOException {
    try (var taken = new ServerSocket(0, 0, InetAddress.getLoopbackAddress())) {
      String port = String.valueOf(taken.getLocalPort());
      Run run = Run.of("serve", "--port", port, "--model", "../../models/default");
      assertEquals(1, run.status());
      assertEquals(
          "lrt: cannot listen on 127.0.0.1:" + port + ": Address already in use\n", run.err());
    }
  }
}
