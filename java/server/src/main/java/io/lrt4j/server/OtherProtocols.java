package io.lrt4j.server;

import io.helidon.common.buffers.BufferData;
import io.helidon.common.buffers.DataReader;
import io.helidon.common.concurrency.limits.Limit;
import io.helidon.http.Status;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.spi.ServerConnection;
import io.helidon.webserver.spi.ServerConnectionSelector;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Connections that begin with something else than a request of HTTP/1.1, or with a first line
 * without an end: the web server hangs up on them without a word, or waits for a line that never
 * comes. They are told 505 if it is HTTP, 414 if it goes on, and else 400, and are closed.
 */
final class OtherProtocols implements ServerConnectionSelector {
  /** A request line of another version; one of 1.1 is here because it does not end in CR LF. */
  private static final Pattern OTHER =
      Pattern.compile("\\S+ \\S+ HTTP/(?!1\\.1)[0-9](\\.[0-9])?\r?");

  private static final Status URI_TOO_LONG = Status.create(414, "URI Too Long"); // as RFC 9110

  /** What may follow such a line that is not taken in before it is refused. */
  private static final int LONGEST = 1 << 20;

  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final int longestLine;

  /** The web server takes first lines of up to so many bytes. */
  OtherProtocols(int longestLine) {
    this.longestLine = longestLine;
  }

  @Override
  public int bytesToIdentifyConnection() {
    return 0; // whatever has come
  }

  @Override
  public Support supports(BufferData data) {
    int end = data.indexOf((byte) '\n');
    boolean other =
        end < 0
            ? data.available() > longestLine || !beginsAsHttp(data)
            : !data.readString(end).endsWith(" HTTP/1.1\r");
    return other ? Support.SUPPORTED : Support.UNSUPPORTED;
  }

  /** A client of TLS does not. */
  private static boolean beginsAsHttp(BufferData data) {
    return data.available() == 0 || data.get(0) >= ' ';
  }

  @Override
  public Set<String> supportedApplicationProtocols() {
    return Set.of();
  }

  @Override
  public ServerConnection connection(ConnectionContext context) {
    return new Refusal(context);
  }

  private record Refusal(ConnectionContext context) implements ServerConnection {
    @Override
    public void handle(Limit limit) {
      DataReader reader = context.dataReader();
      BufferData data = reader.readBuffer();
      int end = data.indexOf((byte) '\n');
      Status status = Status.BAD_REQUEST_400;
      String text = "only HTTP/1.1 is spoken here";
      if (end < 0 && beginsAsHttp(data)) {
        readLine(reader);
        status = URI_TOO_LONG;
        text = "the request's first line is too long";
      } else if (end >= 0 && OTHER.matcher(data.readString(end)).matches()) {
        status = Status.HTTP_VERSION_NOT_SUPPORTED_505;
      }
      byte[] body = Json.bytes(ApiException.refused(status.code(), null, null, text).json());
      String head =
          "HTTP/1.1 "
              + status.text()
              + "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
              + body.length
              + "\r\n\r\n";
      byte[] bytes = head.getBytes(StandardCharsets.US_ASCII);
      context.dataWriter().writeNow(BufferData.create(bytes), BufferData.create(body));
    }

    /** What is not read when the connection is closed may cost the client the answer. */
    private void readLine(DataReader reader) {
      try (var _ = Connections.limit(context, PATIENCE)) {
        int read = 0;
        boolean ended = false;
        while (!ended && read < LONGEST) {
          reader.ensureAvailable();
          BufferData more = reader.readBuffer();
          read += more.available();
          ended = more.indexOf((byte) '\n') >= 0;
        }
      } catch (RuntimeException e) {
        // it ended before
      }
    }

    @Override
    public Duration idleTime() {
      return Duration.ZERO; // it is soon over
    }

    @Override
    public void close(boolean interrupt) {}
  }
}
