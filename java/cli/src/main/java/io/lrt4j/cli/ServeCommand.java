package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.server.LrtServer;
import io.lrt4j.server.ServerOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code lrt serve}: OpenAI's HTTP interface, until it is told to end. */
final class ServeCommand implements Command {
  private static final String KEY_VARIABLE = "LRT_API_KEY";

  /** Kept: a logger that nobody holds forgets its level. */
  private static final Logger ACCESS = Logger.getLogger(LrtServer.ACCESS_LOG);

  /** Of the web server: a client that leaves within the head of a request is an error to it. */
  private static final Logger HTTP = Logger.getLogger("io.helidon.webserver.http1.Http1Connection");

  @Override
  public String name() {
    return "serve";
  }

  @Override
  public String summary() {
    return "serve a model by OpenAI's HTTP interface";
  }

  @Override
  public String usage() {
    return "[--model DIR] [--network DIR] [--host ADDRESS] [--port N] [--key-file FILE]";
  }

  @Override
  public Set<String> repeatable() {
    return Set.of("allowed-host");
  }

  @Override
  public Options options() {
    ServerOptions by = ServerOptions.defaults();
    return Arguments.together(
        new Options()
            .addOption(valued("host", "ADDRESS", "where to listen (default: " + by.host() + ")"))
            .addOption(valued("port", "N", "0 takes a free one (default: " + by.port() + ")"))
            .addOption(
                valued("name", "NAME", "the model's name for clients (default: its folder's)"))
            .addOption(
                valued(
                    "key-file",
                    "FILE",
                    "API keys, one a line; without any only this machine is let in"))
            .addOption(
                valued(
                    "allowed-host",
                    "NAME",
                    "without API keys: what clients and web pages may call the server besides"
                        + " localhost; * is any; may be repeated"))
            .addOption(valued("answers", "N", "answers at a time (default: " + by.answers() + ")"))
            .addOption(
                valued(
                    "queue",
                    "N",
                    "answers that may wait for their turn (default: " + by.queue() + ")"))
            .addOption(valued("tls-certificates", "FILE", "PEM: the certificate and its chain"))
            .addOption(valued("tls-key", "FILE", "PEM: its key, PKCS #8 without a passphrase"))
            .addOption(
                valued(
                    "time-limit",
                    "SECONDS",
                    "of an answer, waiting included (default: " + by.timeLimit().toSeconds() + ")"))
            .addOption(
                valued(
                    "grace",
                    "SECONDS",
                    "for answers under way when it is told to end (default: "
                        + by.grace().toSeconds()
                        + ")"))
            .addOption(flag("no-warm-up", "be ready at once; the first answers then take longer"))
            .addOption(flag("quiet", "no line for each request on standard error")),
        CommonOptions.loading(),
        CommonOptions.general());
  }

  @Override
  public String notes() {
    return """
    An API key is taken from the environment too (LRT_API_KEY). SIGTERM and Ctrl-C end it: nothing
    new is taken, answers under way get the grace time. --json prints the address as JSON.
    """;
  }

  @Override
  public void run(Arguments arguments, Console console) {
    ServerOptions options = serving(arguments);
    EngineOptions loading = CommonOptions.engine(arguments);
    Path model = CommonOptions.model(arguments, console);
    HTTP.setFilter(entry -> !isEndOfInput(entry.getThrown()));
    ACCESS.setLevel(arguments.has("quiet") ? Level.OFF : Level.INFO);

    var end = new CountDownLatch(1);
    var ended = new CountDownLatch(1);
    var hook = new Thread(() -> end(end, ended, options.grace()), "lrt-end");
    Runtime.getRuntime().addShutdownHook(hook);
    try (Engine engine = CommonOptions.load(model, loading, console);
        LrtServer server = LrtServer.start(engine, options)) {
      if (arguments.has("json")) {
        console.out().println(Reports.line(Reports.object().put("address", address(server))));
        console.out().flush();
      }
      long warmUp = server.warmUpTime().toMillis();
      console.note(
          "lrt: "
              + engine.describe()
              + (warmUp == 0 ? "" : "; warmed up in " + warmUp + " ms")
              + "; serving at "
              + address(server));
      end.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      ended.countDown();
    }
  }

  private static boolean isEndOfInput(@Nullable Throwable thrown) {
    Throwable cause = thrown == null ? null : thrown.getCause();
    return cause != null
        && cause.getClass().getSimpleName().equals("InsufficientDataAvailableException");
  }

  private static String address(LrtServer server) {
    return server.address().toString();
  }

  /** The process ends when this returns: answers under way have until then. */
  private static void end(CountDownLatch end, CountDownLatch ended, Duration grace) {
    end.countDown();
    try {
      boolean _ = ended.await(grace.toSeconds() + 10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static ServerOptions serving(Arguments arguments) {
    ServerOptions by = ServerOptions.defaults();
    String host = Objects.requireNonNullElse(arguments.text("host"), by.host());
    List<String> keys = keys(arguments.text("key-file"), System.getenv(KEY_VARIABLE));
    try {
      return ServerOptions.builder()
          .host(host)
          .keys(keys)
          .allowedHosts(arguments.texts("allowed-host"))
          .port(arguments.integer("port", by.port(), 0, 0xffff))
          .name(arguments.text("name"))
          .answers(arguments.integer("answers", by.answers(), 1, 1024))
          .queue(arguments.integer("queue", by.queue(), 0, 1 << 20))
          .timeLimit(seconds(arguments, "time-limit", by.timeLimit(), 1))
          .grace(seconds(arguments, "grace", by.grace(), 0))
          .warmUp(!arguments.has("no-warm-up"))
          .tls(tls(arguments.text("tls-certificates"), arguments.text("tls-key")))
          .build();
    } catch (ServerOptions.KeysMissingException e) {
      throw new UsageException(
          e.getMessage() + " (--key-file FILE, or " + KEY_VARIABLE + " in the environment)");
    } catch (IllegalArgumentException e) {
      throw new UsageException(String.valueOf(e.getMessage()));
    }
  }

  private static ServerOptions.@Nullable Tls tls(
      @Nullable String certificates, @Nullable String key) {
    if (certificates == null && key == null) {
      return null;
    }
    if (certificates == null || key == null) {
      throw new UsageException("--tls-certificates and --tls-key go together");
    }
    return new ServerOptions.Tls(Path.of(certificates), Path.of(key));
  }

  private static Duration seconds(Arguments arguments, String option, Duration by, int least) {
    return Duration.ofSeconds(
        arguments.integer(option, (int) by.toSeconds(), least, Integer.MAX_VALUE / 1000));
  }

  private static List<String> lines(String file) {
    try {
      return Files.readAllLines(Path.of(file));
    } catch (IOException e) {
      throw new FailureException("--key-file " + file + " cannot be read: " + ModelFiles.cause(e));
    }
  }

  private static List<String> keys(@Nullable String file, @Nullable String variable) {
    List<String> keys = new ArrayList<>();
    if (file != null) {
      lines(file).stream().map(String::strip).filter(line -> !line.isEmpty()).forEach(keys::add);
      if (keys.isEmpty()) {
        throw new FailureException("--key-file " + file + " has no key in it");
      }
    }
    if (variable != null && !variable.isBlank()) {
      keys.add(variable.strip());
    }
    return keys;
  }
}
