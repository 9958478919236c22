package io.lrt4j.server;

import io.helidon.common.buffers.BufferData;
import io.helidon.common.buffers.DataReader;
import io.helidon.common.concurrency.limits.Limit;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.spi.ServerConnection;
import io.helidon.webserver.spi.ServerConnectionSelector;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Connections that begin with something else than a request of HTTP/1.1: the web server hangs up on
 * them without a word. They are told 505 if it is HTTP, and else 400, and are closed.
 */
final class OtherProtocols implements ServerConnectionSelector {
  /** A request line of another version; one of 1.1 is here because it does not end in CR LF. */
  private static final Pattern OTHER =
      Pattern.compile("\\S+ \\S+ HTTP/(?!1\\.1)[0-9](\\.[0-9])?\r?");

  @Override
  public int bytesToIdentifyConnection() {
    return 0; // whatever has come
  }

  @Override
  public Support supports(BufferData data) {
    int end = data.indexOf((byte) '\n');
    return end < 0 || data.readString(end).endsWith(" HTTP/1.1\r")
        ? Support.UNSUPPORTED
        : Support.SUPPORTED;
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
      boolean http = OTHER.matcher(data.readString(data.indexOf((byte) '\n'))).matches();
      ApiException error =
          ApiException.refused(http ? 505 : 400, null, null, "only HTTP/1.1 is spoken here");
      byte[] body = Json.bytes(error.json());
      String head =
          "HTTP/1.1 "
              + (http ? "505 HTTP Version Not Supported" : "400 Bad Request")
              + "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
              + body.length
              + "\r\n\r\n";
      byte[] bytes = head.getBytes(StandardCharsets.US_ASCII);
      context.dataWriter().writeNow(BufferData.create(bytes), BufferData.create(body));
    }

    @Override
    public Duration idleTime() {
      return Duration.ZERO; // it is soon over
    }

    @Override
    public void close(boolean interrupt) {}
  }
}
