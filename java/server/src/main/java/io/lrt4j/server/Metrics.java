package io.lrt4j.server;

import io.lrt4j.Answer;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.List;

/** What {@code /metrics} tells, in the form of Prometheus. */
final class Metrics {
  /** The content type of {@link #text}. */
  static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private static final Duration[] TIMES = {
    Duration.ofMillis(5),
    Duration.ofMillis(20),
    Duration.ofMillis(100),
    Duration.ofMillis(500),
    Duration.ofSeconds(2),
    Duration.ofSeconds(10),
    Duration.ofSeconds(60)
  };

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final Timer queueWait = timer("lrt.queue.wait", "time until an answer's turn");

  /** Follows what happens at the desk. */
  void watch(Desk desk) {
    Gauge.builder("lrt.answers.running", desk, Desk::running)
        .description("answers being written: the most that a decode step is shared by")
        .register(registry);
    Gauge.builder("lrt.queue.length", desk, Desk::waiting)
        .description("answers that wait for their turn")
        .register(registry);
  }

  private Timer timer(String name, String description, String... tags) {
    return Timer.builder(name)
        .description(description)
        .tags(tags)
        .serviceLevelObjectives(TIMES)
        .register(registry);
  }

  /**
   * A request has ended.
   *
   * @param path of the endpoint
   * @param mode of the answer, or none
   * @param status of HTTP, or {@link Exchange#CLIENT_CLOSED}
   */
  void requested(String path, String mode, int status, long nanos) {
    String outcome = outcome(status);
    timer(
            "lrt.requests",
            "requests from their first byte to the last of the answer",
            "path",
            path,
            "mode",
            mode,
            "outcome",
            outcome)
        .record(Duration.ofNanos(nanos));
  }

  private static String outcome(int status) {
    return switch (status) {
      case 401 -> "no_key";
      case 429 -> "queue_full";
      case 503 -> "unavailable";
      case 504 -> "timeout";
      case Exchange.CLIENT_CLOSED -> "client_gone";
      default -> status < 400 ? "ok" : status < 500 ? "invalid" : "failed";
    };
  }

  /** An answer's turn has come. */
  void waited(long nanos) {
    queueWait.record(Duration.ofNanos(nanos));
  }

  /** The first token of a request is there. */
  void firstToken(long nanos) {
    timer("lrt.first.token", "time from a request to its first token")
        .record(Duration.ofNanos(nanos));
  }

  /** Answers are complete. */
  void answered(List<Answer> answers, int each) {
    tokens("prompt", Replies.prompts(answers, each, Answer.TokenCounts::prompt));
    for (Answer answer : answers) {
      Answer.TokenCounts tokens = answer.tokens();
      tokens("latent", tokens.latent());
      tokens("reasoning", tokens.reasoning());
      tokens("answer", tokens.answer());
      Counter.builder("lrt.answers")
          .description("answers by the mode that gave them")
          .tag("mode", Replies.mode(answer))
          .register(registry)
          .increment();
      DistributionSummary.builder("lrt.tokens.per.second")
          .description("decoding speed of one answer")
          .tag("mode", Replies.mode(answer))
          .register(registry)
          .record(answer.tokensPerSecond());
    }
  }

  private void tokens(String kind, int count) {
    Counter.builder("lrt.tokens")
        .description("tokens by kind; latent ones are vectors")
        .tag("kind", kind)
        .register(registry)
        .increment(count);
  }

  String text() {
    return registry.scrape();
  }
}
