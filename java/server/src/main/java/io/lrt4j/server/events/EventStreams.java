package io.lrt4j.server.events;

import io.helidon.common.GenericType;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.spi.Sink;
import io.helidon.webserver.sse.SseSink;
import io.helidon.webserver.sse.SseSinkProvider;

/**
 * Server-sent events for clients that ask for them in the body ({@code "stream": true}) and not by
 * an {@code Accept} header, as OpenAI's do; the web server's own provider insists on the header.
 */
public final class EventStreams extends SseSinkProvider {
  /** For the service loader. */
  public EventStreams() {}

  @Override
  public boolean supports(GenericType<? extends Sink<?>> type, ServerRequest request) {
    return SseSink.TYPE.equals(type);
  }
}
