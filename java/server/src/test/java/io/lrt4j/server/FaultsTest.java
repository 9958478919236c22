package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Requests that are malformed, too large, slow or broken off, and unknown keys, a few at a time;
 * {@code lrt.faults} says how many. The server answers each with the right status or not at all,
 * and is afterwards as it was before.
 */
@Timeout(600)
class FaultsTest {
  private static final int COUNT = Integer.getInteger("lrt.faults", 120);
  private static final int CLIENTS = 4;
  private static final int MAX_BODY = 4000;
  private static final int NONE = 0;
  private static final String KEY = "right";
  private static final String QUESTION =
      "{\"stream\":%s,\"max_tokens\":8,\"messages\":[{\"role\":\"user\",\"content\":\""
          + Served.QUESTION
          + "\"}]}";

  private static final String HEAD =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY + "\r\n";

  /** No requests of HTTP. */
  private static final List<String> NO_REQUESTS =
      List.of("NONSENSE\r\n\r\n", "\r\n\r\n", "GET /\r\n\r\n", "{}\n\n", "GET / HTTP/1.1\n\n");

  /** Requests of HTTP, but not of HTTP/1.1. */
  private static final List<String> OTHER_VERSIONS =
      List.of(
          "GET / HTTP/1.0\r\n\r\n",
          "POST /v1/chat/completions HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

  /** Ends of heads. */
  private static final List<String> MALFORMED =
      List.of(
          "no colon\r\n\r\n",
          "Content-Length: much\r\n\r\n",
          "Content-Length: -5\r\n\r\n",
          "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
          "Long: " + "x".repeat(20_000) + "\r\n\r\n");

  /** A request, and the statuses that may come of it; none if it is broken off. */
  @SuppressWarnings("ArrayRecordComponent") // nobody changes it
  private record Fault(byte[] bytes, boolean breaksOff, List<Integer> statuses) {}

  @Test
  void serverIsAsItWasBefore() throws Exception {
    var options = ServerOptions.builder().maxBodyBytes(MAX_BODY).keys(List.of(KEY)).build();
    try (var served = new Served(options)) {
      Thread[] clients = new Thread[CLIENTS];
      List<Throwable> failures = new CopyOnWriteArrayList<>();
      for (int c = 0; c < CLIENTS; c++) {
        int client = c;
        clients[c] =
            Thread.ofVirtual()
                .start(
                    () -> {
                      try {
                        for (int i = client; i < COUNT; i += CLIENTS) {
                          inflict(served, fault(new Random(i)), i);
                        }
                      } catch (IOException | AssertionError e) {
                        failures.add(e);
                      }
                    });
      }
      for (Thread client : clients) {
        client.join();
      }
      assertEquals(List.of(), failures);
      while (served.server.busy() > 0 || served.server.watched() > 0) {
        Thread.sleep(1);
      }
      var fine = send(served, request("POST", QUESTION.formatted(false), KEY), false);
      assertEquals(200, fine);
    }
  }

  private static void inflict(Served served, Fault fault, int number) throws IOException {
    int status = send(served, fault.bytes, fault.breaksOff);
    if (!fault.breaksOff) {
      assertTrue(
          fault.statuses.contains(status),
          () ->
              number
                  + ": expected "
                  + fault.statuses
                  + ", found "
                  + status
                  + " of "
                  + new String(fault.bytes, StandardCharsets.ISO_8859_1));
    }
  }

  /** The status; {@link #NONE} if we break off, or the server does without a word. */
  private static int send(Served served, byte[] bytes, boolean breakOff) throws IOException {
    try (var socket = new Socket()) {
      socket.connect(
          new InetSocketAddress(
              InetAddress.getLoopbackAddress(), served.server.address().getPort()));
      socket.setSoTimeout(30_000);
      try {
        socket.getOutputStream().write(bytes);
      } catch (SocketException e) {
        // it has heard enough, and has answered
      }
      if (breakOff) {
        return NONE;
      }
      byte[] head = socket.getInputStream().readNBytes("HTTP/1.1 200".length());
      String line = new String(head, StandardCharsets.US_ASCII);
      if (line.isEmpty()) {
        return NONE;
      }
      assertTrue(line.matches("HTTP/1\\.1 [0-9]{3}"), line); // a whole one, and nothing else
      return Integer.parseInt(line.substring(9));
    }
  }

  private static Fault fault(Random random) {
    String question = QUESTION.formatted(random.nextBoolean());
    return switch (random.nextInt(12)) {
      case 0 -> answered(request("POST", question, KEY), 200);
      case 1 -> answered(request("POST", question, "wrong" + random.nextInt()), 401);
      case 2 -> answered(request("POST", cut(question, random), KEY), 400);
      case 3 -> answered(request("POST", flipped(question, random), KEY), 200, 400);
      case 4 -> answered(request("POST", "x".repeat(MAX_BODY + 1 + random.nextInt(99)), KEY), 413);
      case 5 -> answered(request(noise(random, 3) + "QQ", question, KEY), 400, 404);
      case 6 -> answered(chunked(question, MAX_BODY + 1), 413);
      case 7 -> answered(ascii(NO_REQUESTS.get(random.nextInt(NO_REQUESTS.size()))), 400);
      case 10 -> answered(ascii(OTHER_VERSIONS.get(random.nextInt(OTHER_VERSIONS.size()))), 505);
      case 8 -> answered(ascii(HEAD + MALFORMED.get(random.nextInt(MALFORMED.size()))), 400);
      case 9 -> { // gone in the middle of its request
        byte[] whole = request("POST", question, KEY);
        yield new Fault(Arrays.copyOf(whole, random.nextInt(whole.length)), true, List.of());
      }
      default -> // gone before its answer
          new Fault(request("POST", question, KEY), true, List.of());
    };
  }

  private static Fault answered(byte[] bytes, Integer... statuses) {
    return new Fault(bytes, false, List.of(statuses));
  }

  private static byte[] request(String method, String body, String key) {
    byte[] bytes = body.getBytes(StandardCharsets.ISO_8859_1);
    String head =
        method
            + " /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            + key
            + "\r\nContent-Length: "
            + bytes.length
            + "\r\n\r\n";
    return (head + body).getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A body of unknown length, which turns out to be too long. */
  private static byte[] chunked(String body, int length) {
    String padded = body + " ".repeat(length - body.length());
    String head = HEAD + "Transfer-Encoding: chunked\r\n\r\n";
    String chunk = Integer.toHexString(padded.length()) + "\r\n" + padded + "\r\n0\r\n\r\n";
    return ascii(head + chunk);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static String cut(String text, Random random) {
    return text.substring(0, 1 + random.nextInt(text.length() - 1));
  }

  /** With one byte that is any other. */
  private static String flipped(String text, Random random) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private static String noise(Random random, int length) {
    return random
        .ints(length, 'A', 'Z' + 1)
        .mapToObj(Character::toString)
        .collect(Collectors.joining());
  }
}
