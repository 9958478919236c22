package io.lrt4j.server;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How to serve; immutable, every {@code with…} returns a changed copy and refuses a value out of
 * range with an {@link IllegalArgumentException} of one sentence.
 *
 * @param host address to listen on; without keys it must be one of the loopback
 * @param port to listen on; 0 takes a free one
 * @param name of the model in requests and answers; null takes that of its directory
 * @param keys that a client may show as {@code Authorization: Bearer KEY}; none lets everybody in
 * @param maxBodyBytes most bytes of a request's body
 * @param maxMessages most messages of a conversation
 * @param answers most answers at a time
 * @param queue most answers that wait for their turn; what comes on top is told to come again (429)
 * @param timeLimit of an answer, waiting included
 * @param grace time for the answers under way to end when the server closes
 * @param tls what to encrypt with; null serves plain HTTP
 */
public record ServerOptions(
    String host,
    int port,
    @Nullable String name,
    List<String> keys,
    int maxBodyBytes,
    int maxMessages,
    int answers,
    int queue,
    Duration timeLimit,
    Duration grace,
    @Nullable Tls tls) {
  private static final ServerOptions DEFAULTS =
      new ServerOptions(
          "127.0.0.1",
          8080,
          null,
          List.of(),
          4 << 20,
          1024,
          64,
          256,
          Duration.ofMinutes(10),
          Duration.ofSeconds(20),
          null);

  /**
   * Files of PEM.
   *
   * @param certificates the server's certificate and those that it was signed with
   * @param privateKey its key, PKCS #8 without a passphrase
   */
  public record Tls(Path certificates, Path privateKey) {}

  public ServerOptions {
    keys = List.copyOf(keys);
    require(port >= 0 && port <= 0xffff, "port", "0 (any) to 65535", port);
    require(maxBodyBytes >= 1, "the limit of a request's body", "at least 1 byte", maxBodyBytes);
    require(maxMessages >= 1, "the limit of messages", "at least 1", maxMessages);
    require(answers >= 1 && answers <= 1024, "answers at a time", "1 to 1024", answers);
    require(queue >= 0 && queue <= 1 << 20, "the queue's length", "0 to 1048576", queue);
    require(timeLimit.isPositive(), "the time limit", "above 0", timeLimit);
    require(!grace.isNegative(), "the grace time", "0 or more", grace);
    require(
        keys.stream().noneMatch(String::isBlank), "an API key", "at least one character", "none");
    if (keys.isEmpty() && !isLoopback(host)) {
      throw new IllegalArgumentException(
          "without API keys the server listens on the loopback only (127.0.0.1), found host "
              + host
              + ": give it keys");
    }
  }

  private static void require(boolean holds, String what, String expected, Object found) {
    if (!holds) {
      throw new IllegalArgumentException(what + " must be " + expected + ", found " + found);
    }
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      throw new IllegalArgumentException("the host must be an address of this machine: " + host, e);
    }
  }

  /** On 127.0.0.1:8080, without keys. */
  public static ServerOptions defaults() {
    return DEFAULTS;
  }

  public ServerOptions withHost(String host) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withPort(int port) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withName(@Nullable String name) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  /** Host and keys go together: one without the other may not be allowed. */
  public ServerOptions withHostAndKeys(String host, List<String> keys) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withMaxBodyBytes(int maxBodyBytes) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withMaxMessages(int maxMessages) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withAnswers(int answers) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withQueue(int queue) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withTimeLimit(Duration timeLimit) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withGrace(Duration grace) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  public ServerOptions withTls(@Nullable Tls tls) {
    return new ServerOptions(
        host, port, name, keys, maxBodyBytes, maxMessages, answers, queue, timeLimit, grace, tls);
  }

  @Override
  public String toString() {
    return "ServerOptions[" + host + ":" + port + ", " + keys.size() + " keys]"; // none of them
  }
}
