package io.lrt4j.examples;

import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;

/** lrt4j in a program of one's own: load, ask, stream, cancel, close; two threads on one engine. */
final class EmbeddingExample {
  private EmbeddingExample() {}

  /** The shortest way to an answer. */
  static String ask(Path model, String question) {
    try (Engine engine = Engine.load(model)) {
      return engine.ask(question, Mode.DIRECT).text();
    }
  }

  /** A reasoning network beside the model: its latent vectors take the place of the thinking. */
  static Answer askLatently(Path model, Path network, String question) {
    try (Engine engine = Engine.load(model, EngineOptions.defaults().withNetwork(network))) {
      return engine.ask(Question.of(question).mode(Mode.LATENT).maxTokens(64));
    }
  }

  /** Text as it is written, on the asking thread; the whole answer is returned in the end. */
  static Answer stream(Engine engine, String question, StringBuilder page) {
    return engine.ask(Question.of(question).maxTokens(64), token -> page.append(token.text()));
  }

  /** Any thread may end an answer; what was written until then is returned. */
  static Answer upTo(Engine engine, String question, int characters) {
    Cancellation enough = new Cancellation();
    StringBuilder page = new StringBuilder();
    return engine.ask(
        Question.of(question).maxTokens(64).cancelledBy(enough),
        token -> {
          page.append(token.text());
          if (page.length() >= characters) {
            enough.cancel();
          }
        });
  }

  /** Without waiting: the engine's own threads answer, and cancelling a future ends its answer. */
  static CompletableFuture<String> later(Engine engine, String question) {
    return engine.askAsync(Question.of(question).maxTokens(64)).thenApply(Answer::text);
  }

  /** Sampling: several answers to one question, which is read and thought about only once. */
  static List<Answer> sample(Engine engine, String question, int count) {
    return engine.sample(
        Question.of(question).temperature(0.6f).topP(0.95f).seed(7).maxTokens(64), count);
  }

  /** One engine serves all threads. */
  static List<Answer> together(Engine engine, String one, String other)
      throws InterruptedException, ExecutionException {
    try (var threads = Executors.newFixedThreadPool(2)) {
      var first = threads.submit(() -> engine.ask(Question.of(one).maxTokens(64)));
      var second = threads.submit(() -> engine.ask(Question.of(other).maxTokens(64)));
      return List.of(first.get(), second.get());
    }
  }
}
