/** An engine behind OpenAI's HTTP interface. */
module io.lrt4j.server {
  requires transitive io.lrt4j.engine;
  requires static transitive org.jspecify;
  requires com.fasterxml.jackson.databind;
  requires io.helidon.common.configurable;
  requires io.helidon.common.pki;
  requires io.helidon.webserver;
  requires io.helidon.webserver.sse;
  requires micrometer.core;
  requires micrometer.registry.prometheus;

  provides io.helidon.webserver.http.spi.SinkProvider with
      io.lrt4j.server.events.EventStreams;

  exports io.lrt4j.server;
}
