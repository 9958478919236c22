package io.lrt4j.server;

import io.lrt4j.Engine;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How to serve; immutable. {@link #builder} changes the defaults; a value out of range is refused
 * with an {@link IllegalArgumentException} of one sentence.
 *
 * @param host address to listen on; without keys it must be one of the loopback
 * @param port to listen on; 0 takes a free one
 * @param name of the model in requests and answers; null takes that of its directory
 * @param keys that a client may show as {@code Authorization: Bearer KEY}; none lets everybody in
 * @param allowedHosts names and addresses, without scheme and port, that a client's {@code Host}
 *     and {@code Origin} may have besides {@code host}, localhost, names under it ({@code
 *     app.localhost}) and loopback addresses; {@code *} is every one. They matter without keys: web
 *     pages that a browser on this machine shows could ask otherwise
 * @param maxBodyBytes most bytes of a request's body
 * @param maxMessages most messages of a conversation
 * @param answers most answers at a time
 * @param queue most answers that wait for their turn; what comes on top is told to come again (429)
 * @param timeLimit of an answer, waiting included
 * @param grace time for the answers under way to end when the server closes
 * @param warmUp whether {@link Engine#warmUp} comes first: until it has ended the server answers,
 *     but reports that it is not ready
 * @param tls what to encrypt with; null serves plain HTTP
 */
public record ServerOptions(
    String host,
    int port,
    @Nullable String name,
    List<String> keys,
    List<String> allowedHosts,
    int maxBodyBytes,
    int maxMessages,
    int answers,
    int queue,
    Duration timeLimit,
    Duration grace,
    boolean warmUp,
    @Nullable Tls tls) {
  private static final ServerOptions DEFAULTS =
      new ServerOptions(
          "127.0.0.1",
          8080,
          null,
          List.of(),
          List.of(),
          4 << 20,
          1024,
          64,
          256,
          Duration.ofMinutes(10),
          Duration.ofSeconds(20),
          false,
          null);

  /**
   * Files of PEM.
   *
   * @param certificates the server's certificate and those that it was signed with
   * @param privateKey its key, PKCS #8 without a passphrase
   */
  public record Tls(Path certificates, Path privateKey) {}

  /** There are no API keys, and others than this machine could ask. */
  public static final class KeysMissingException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    KeysMissingException(String host) {
      super(
          "without API keys the server listens on the loopback only (127.0.0.1), found host "
              + host
              + ": give it keys");
    }
  }

  public ServerOptions {
    keys = List.copyOf(keys);
    allowedHosts = List.copyOf(allowedHosts);
    require(port >= 0 && port <= 0xffff, "port", "0 (any) to 65535", port);
    require(maxBodyBytes >= 1, "the limit of a request's body", "at least 1 byte", maxBodyBytes);
    require(maxMessages >= 1, "the limit of messages", "at least 1", maxMessages);
    require(answers >= 1 && answers <= 1024, "answers at a time", "1 to 1024", answers);
    require(queue >= 0 && queue <= 1 << 20, "the queue's length", "0 to 1048576", queue);
    require(timeLimit.isPositive(), "the time limit", "above 0", timeLimit);
    require(!grace.isNegative(), "the grace time", "0 or more", grace);
    require(
        keys.stream().noneMatch(String::isBlank), "an API key", "at least one character", "none");
    for (String allowed : allowedHosts) {
      require(
          AllowedHosts.isHost(allowed),
          "an allowed host",
          "a name or an address without scheme and port, or *",
          allowed.isEmpty() ? "nothing" : allowed);
    }
    if (keys.isEmpty() && !isLoopback(host)) {
      throw new KeysMissingException(host);
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

  /** Changes the defaults. */
  public static Builder builder() {
    return DEFAULTS.toBuilder();
  }

  /** Changes these options. */
  public Builder toBuilder() {
    return new Builder(this);
  }

  @Override
  public String toString() {
    return "ServerOptions[" + host + ":" + port + ", " + keys.size() + " keys]"; // none of them
  }

  /** Makes options; a value that is out of range is refused by {@link #build}. */
  public static final class Builder {
    private String host;
    private int port;
    private @Nullable String name;
    private List<String> keys;
    private List<String> allowedHosts;
    private int maxBodyBytes;
    private int maxMessages;
    private int answers;
    private int queue;
    private Duration timeLimit;
    private Duration grace;
    private boolean warmUp;
    private @Nullable Tls tls;

    private Builder(ServerOptions o) {
      host = o.host;
      port = o.port;
      name = o.name;
      keys = o.keys;
      allowedHosts = o.allowedHosts;
      maxBodyBytes = o.maxBodyBytes;
      maxMessages = o.maxMessages;
      answers = o.answers;
      queue = o.queue;
      timeLimit = o.timeLimit;
      grace = o.grace;
      warmUp = o.warmUp;
      tls = o.tls;
    }

    /** See {@link ServerOptions#host}. */
    public Builder host(String host) {
      this.host = host;
      return this;
    }

    /** See {@link ServerOptions#port}. */
    public Builder port(int port) {
      this.port = port;
      return this;
    }

    /** See {@link ServerOptions#name}. */
    public Builder name(@Nullable String name) {
      this.name = name;
      return this;
    }

    /** See {@link ServerOptions#keys}. */
    public Builder keys(List<String> keys) {
      this.keys = keys;
      return this;
    }

    /** See {@link ServerOptions#allowedHosts}. */
    public Builder allowedHosts(List<String> allowedHosts) {
      this.allowedHosts = allowedHosts;
      return this;
    }

    /** See {@link ServerOptions#maxBodyBytes}. */
    public Builder maxBodyBytes(int maxBodyBytes) {
      this.maxBodyBytes = maxBodyBytes;
      return this;
    }

    /** See {@link ServerOptions#maxMessages}. */
    public Builder maxMessages(int maxMessages) {
      this.maxMessages = maxMessages;
      return this;
    }

    /** See {@link ServerOptions#answers}. */
    public Builder answers(int answers) {
      this.answers = answers;
      return this;
    }

    /** See {@link ServerOptions#queue}. */
    public Builder queue(int queue) {
      this.queue = queue;
      return this;
    }

    /** See {@link ServerOptions#timeLimit}. */
    public Builder timeLimit(Duration timeLimit) {
      this.timeLimit = timeLimit;
      return this;
    }

    /** See {@link ServerOptions#grace}. */
    public Builder grace(Duration grace) {
      this.grace = grace;
      return this;
    }

    /** See {@link ServerOptions#warmUp}. */
    public Builder warmUp(boolean warmUp) {
      this.warmUp = warmUp;
      return this;
    }

    /** See {@link ServerOptions#tls}. */
    public Builder tls(@Nullable Tls tls) {
      this.tls = tls;
      return this;
    }

    /** The options as set so far. */
    public ServerOptions build() {
      return new ServerOptions(
          host,
          port,
          name,
          keys,
          allowedHosts,
          maxBodyBytes,
          maxMessages,
          answers,
          queue,
          timeLimit,
          grace,
          warmUp,
          tls);
    }
  }
}
