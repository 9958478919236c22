package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.helidon.common.configurable.Resource;
import io.helidon.common.pki.Keys;
import io.helidon.http.DirectHandler;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Method;
import io.helidon.http.RequestException;
import io.helidon.http.Status;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.DirectHandlers;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http1.Http1Config;
import io.lrt4j.Engine;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Serves an engine by OpenAI's HTTP interface. Close it before the engine: closing gives the
 * answers under way {@link ServerOptions#grace} to end.
 */
public final class LrtServer implements AutoCloseable {
  /** Writes one line for each request at level INFO, without contents. */
  public static final String ACCESS_LOG = "io.lrt4j.server.access";

  private static final Logger ACCESS = System.getLogger(ACCESS_LOG);
  private static final Logger LOG = System.getLogger(LrtServer.class.getName());

  /** What the web server has said where it keeps the reason, a piece of the URL, for its log. */
  private static final String UNSAID = "Bad request, see server log for more information";

  /** What it says of a body in an encoding that it does not know. */
  private static final String UNKNOWN_ENCODING = "Unsupported content encoding";

  private static final Duration LAST_WORDS = Duration.ofSeconds(2);

  private final ServerOptions options;
  private final ApiKeys keys;
  private final AllowedHosts hosts;
  private final Desk desk;
  private final Connections connections = new Connections();
  private final AtomicInteger exchanges = new AtomicInteger();
  private final Metrics metrics = new Metrics();
  private final WebServer web;
  private volatile boolean warm;
  private volatile Duration warmUpTime = Duration.ZERO;
  private volatile boolean closing;

  private interface Endpoint {
    void handle(Exchange exchange) throws InterruptedException;
  }

  private LrtServer(Engine engine, ServerOptions options) {
    this.options = options;
    keys = new ApiKeys(options.keys());
    hosts = hosts(options);
    desk = new Desk(options.answers(), options.queue(), options.timeLimit(), metrics::waited);
    metrics.watch(desk);
    Model model = Model.of(engine, options.name());
    var chat = new ChatCompletions(desk, connections, model, options.maxMessages());
    var texts = new TextCompletions(desk, connections, model);
    HttpRouting.Builder routes = HttpRouting.builder();
    post(routes, "/v1/chat/completions", chat::handle);
    post(routes, "/v1/completions", texts::handle);
    get(routes, "/v1/models", e -> models(e, model));
    get(routes, "/v1/models/{name}", e -> model(e, model));
    get(routes, "/", LrtServer::page);
    get(routes, "/metrics", this::metrics);
    get(routes, "/health", e -> ready(e, model));
    get(routes, "/health/ready", e -> ready(e, model));
    get(routes, "/health/live", this::live);
    routes.any(open("other", LrtServer::notFound));
    Http1Config http1 = Http1Config.builder().addReceiveListener(connections).build();
    var builder =
        WebServer.builder()
            .host(options.host())
            .port(options.port())
            .shutdownHook(false)
            .useNio(false) // what is read from and written to at the same time is a plain socket
            .connectionOptions(o -> o.tcpNoDelay(true))
            .maxPayloadSize(options.maxBodyBytes())
            .idleConnectionTimeout(options.timeLimit().plusMinutes(2)) // of answers under way too
            .addConnectionSelector(new OtherProtocols(http1.maxPrologueLength()))
            .addProtocol(http1)
            .contentEncoding(e -> e.contentEncodings(List.of(new PlainContent())))
            .errorHandling(e -> e.includeEntity(true)) // or its reasons are kept from errors()
            .directHandlers(errors(options))
            .routing(routes);
    ServerOptions.Tls tls = options.tls();
    if (tls != null) {
      Keys pem = pem(tls);
      builder.tls(t -> t.privateKey(pem).privateKeyCertChain(pem));
    }
    web = builder.build();
  }

  /**
   * Starts to serve, and warms the engine up if the options say so; requests that come meanwhile
   * are answered.
   *
   * @throws UncheckedIOException if the port cannot be listened on, or TLS's files be used
   */
  public static LrtServer start(Engine engine, ServerOptions options) {
    checkPort(options);
    LrtServer server = new LrtServer(engine, options);
    server.web.start();
    if (!server.web.isRunning()) { // why is in its log
      server.desk.close();
      throw cannotListen(options, "the port is taken, or may not be used", null);
    }
    try {
      if (options.warmUp()) {
        server.warmUpTime = engine.warmUp();
      }
    } catch (RuntimeException | Error e) {
      server.close();
      throw e;
    }
    server.warm = true;
    return server;
  }

  /** The web server would write the reason into its log, with a stack trace, and say nothing. */
  private static void checkPort(ServerOptions options) {
    try (var _ = new ServerSocket(options.port(), 0, InetAddress.getByName(options.host()))) {
      // it is free
    } catch (IOException e) {
      throw cannotListen(options, String.valueOf(e.getMessage()), e);
    }
  }

  private static UncheckedIOException cannotListen(
      ServerOptions options, String reason, @Nullable IOException cause) {
    return new UncheckedIOException(
        new IOException(
            "cannot listen on " + options.host() + ":" + options.port() + ": " + reason, cause));
  }

  private static Keys pem(ServerOptions.Tls tls) {
    try {
      return Keys.builder()
          .pem(
              pem ->
                  pem.key(Resource.create(tls.privateKey()))
                      .certChain(Resource.create(tls.certificates())))
          .build();
    } catch (RuntimeException e) { // of several types, each of its own module
      throw new UncheckedIOException(
          new IOException(
              "the TLS key "
                  + tls.privateKey()
                  + " and certificates "
                  + tls.certificates()
                  + " cannot be used: "
                  + e.getMessage(),
              e));
    }
  }

  /** A page does not know a key: where one is needed, every name of the server is as good. */
  private static AllowedHosts hosts(ServerOptions options) {
    if (!options.keys().isEmpty()) {
      return new AllowedHosts(List.of(AllowedHosts.ANY));
    }
    List<String> allowed = new ArrayList<>(options.allowedHosts());
    allowed.add(options.host());
    return new AllowedHosts(allowed);
  }

  /** Where it is reached. */
  public URI address() {
    String scheme = options.tls() == null ? "http://" : "https://";
    String host = options.host();
    String bracketed = host.indexOf(':') < 0 ? host : "[" + host + "]"; // of IPv6
    return URI.create(scheme + bracketed + ":" + web.port());
  }

  /** How long the engine was warmed up; zero if it was not. */
  public Duration warmUpTime() {
    return warmUpTime;
  }

  /** Answers under way or waiting. */
  int busy() {
    return desk.busy();
  }

  /** Connections on which somebody waits for an answer, or for a next request. */
  int watched() {
    return connections.watched();
  }

  boolean isReady() {
    return warm && !closing;
  }

  /** Errors of which no handler of ours hears. */
  private static DirectHandlers errors(ServerOptions options) {
    var errors = DirectHandlers.builder();
    for (var type : DirectHandler.EventType.values()) {
      errors.addHandler(
          type,
          (request, event, status, headers, message) -> {
            Status told = status;
            String text;
            if (UNKNOWN_ENCODING.equals(message)) {
              told = Status.UNSUPPORTED_MEDIA_TYPE_415;
              text = "the body's Content-Encoding must be identity: it cannot be compressed";
            } else if (status.code() == 413) {
              text = "the body must have at most " + options.maxBodyBytes() + " bytes";
            } else if (message == null || message.isEmpty()) {
              text = status.reasonPhrase();
            } else if (message.equals(UNSAID)) {
              text = "the request line is no sound HTTP";
            } else {
              text = message;
            }
            ApiException error = ApiException.refused(told.code(), null, null, text);
            return DirectHandler.TransportResponse.builder()
                .status(told)
                .headers(headers)
                .header(HeaderNames.CONTENT_TYPE, "application/json")
                .entity(Json.bytes(error.json()))
                .build();
          });
    }
    return errors.build();
  }

  private void post(HttpRouting.Builder routes, String path, Endpoint endpoint) {
    routes.post(path, open(path, endpoint));
    others(routes, path, "POST, OPTIONS");
  }

  /** HEAD is the same: {@link Exchange} leaves the body out. */
  private void get(HttpRouting.Builder routes, String path, Endpoint endpoint) {
    Handler handler = open(path, endpoint);
    routes.get(path, handler).head(path, handler);
    others(routes, path, "GET, HEAD, OPTIONS");
  }

  /** What has no route before. */
  private void others(HttpRouting.Builder routes, String path, String allowed) {
    routes
        .options(path, open(path, exchange -> exchange.sendNothing(allowed)))
        .any(path, open(path, exchange -> notAllowed(exchange, allowed)));
  }

  /**
   * A route.
   *
   * @param path its name in the metrics
   */
  private Handler open(String path, Endpoint endpoint) {
    return (request, response) -> serve(new Exchange(request, response), path, endpoint);
  }

  /** Whatever happens, it ends as an answer, and as a line of the log. */
  private void serve(Exchange exchange, String path, Endpoint endpoint) {
    exchanges.incrementAndGet();
    try {
      if (closing) {
        exchange.response().header(HeaderValues.CONNECTION_CLOSE);
      }
      hosts.check(exchange.request().headers());
      exchange.letPagesRead();
      boolean locked = path.startsWith("/v1/") || path.equals("/metrics");
      if (locked && !exchange.method().equals(Method.OPTIONS)) { // a browser asks without the key
        keys.check(exchange.request().headers());
      }
      endpoint.handle(exchange);
    } catch (ClientGoneException e) {
      exchange.status(Exchange.CLIENT_CLOSED);
    } catch (CloseConnectionException e) {
      exchange.status(Exchange.CLIENT_CLOSED);
      throw e;
    } catch (RequestException e) {
      exchange.status(e.status().code());
      throw e; // its handler answers
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      exchange.send(ApiException.unavailable("the server is shutting down"));
    } catch (RuntimeException e) {
      if (exchange.isLost()) {
        exchange.status(Exchange.CLIENT_CLOSED);
        throw new CloseConnectionException("the answer broke off", e);
      }
      failed(exchange, e);
    } finally {
      ACCESS.log(Level.INFO, exchange::line);
      exchange.report(metrics, path);
      exchanges.decrementAndGet();
    }
    if (exchange.request().headers().contains(HeaderValues.CONNECTION_CLOSE)
        || exchange.response().headers().contains(HeaderValues.CONNECTION_CLOSE)) {
      throw new CloseConnectionException("as its client asked, or was told"); // else it stays open
    }
    Connections.Watch watch = exchange.watch();
    if (watch != null) {
      watch.awaitNext();
    }
  }

  private static void failed(Exchange exchange, RuntimeException e) {
    ApiException error = ApiException.of(e, _ -> null);
    if (error.status() == 500) {
      LOG.log(Level.ERROR, "request " + exchange.id() + " failed", e);
    }
    exchange.send(error);
  }

  private static void models(Exchange exchange, Model model) {
    ObjectNode list = Json.object().put("object", "list");
    list.putArray("data").add(model.json());
    exchange.send(list);
  }

  private static void model(Exchange exchange, Model model) {
    model.check(exchange.request().path().pathParameters().get("name"));
    exchange.send(model.json());
  }

  private void live(Exchange exchange) {
    exchange.send(Json.object().put("status", "live"));
  }

  private void ready(Exchange exchange, Model model) {
    String status = closing ? "closing" : warm ? "ready" : "warming up";
    exchange.send(
        isReady() ? 200 : 503,
        Json.object().put("status", status).put("model", model.name()).put("busy", desk.busy()));
  }

  private void metrics(Exchange exchange) {
    exchange.send(Metrics.CONTENT_TYPE, metrics.text().getBytes(StandardCharsets.UTF_8));
  }

  private static void page(Exchange exchange) {
    exchange
        .response()
        .header(
            HeaderNames.create("content-security-policy"),
            "default-src 'none'; connect-src 'self'; img-src data:;"
                + " script-src 'unsafe-inline'; style-src 'unsafe-inline'");
    try (InputStream page = LrtServer.class.getResourceAsStream("page.html")) {
      exchange.send("text/html; charset=utf-8", Objects.requireNonNull(page).readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void notAllowed(Exchange exchange, String allowed) {
    exchange.response().header(HeaderNames.ALLOW, allowed);
    throw ApiException.refused(
        405,
        null,
        "method_not_supported",
        exchange.method().text()
            + " is not allowed on "
            + Fields.shown(exchange.request().path().path())
            + ": expected one of "
            + allowed);
  }

  private static void notFound(Exchange exchange) {
    throw ApiException.refused(
        404,
        null,
        "unknown_url",
        "unknown request: "
            + exchange.method().text()
            + " "
            + Fields.shown(exchange.request().path().path()));
  }

  /**
   * Takes no new questions, waits for the answers under way, ends those that take longer than the
   * grace time, and stops.
   */
  @Override
  public void close() {
    closing = true;
    desk.close(options.grace());
    long until = System.nanoTime() + LAST_WORDS.toNanos();
    while (exchanges.get() > 0 && System.nanoTime() < until) {
      try {
        Thread.sleep(5);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        break;
      }
    }
    connections.close();
    web.stop();
  }
}
