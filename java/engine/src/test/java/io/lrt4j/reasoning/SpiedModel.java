package io.lrt4j.reasoning;

import io.lrt4j.Answer;
import io.lrt4j.EngineOptions;
import io.lrt4j.PromptLookup;
import io.lrt4j.Question;
import io.lrt4j.TokenListener;
import io.lrt4j.compute.Backends;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** A model on a {@link SpyBackend}, and a session with it. */
final class SpiedModel implements AutoCloseable {
  final SpyBackend spy;
  final LoadedModel model;
  final Session session;

  SpiedModel(Path directory, @Nullable Path network) {
    this(directory, network, "scalar");
  }

  SpiedModel(Path directory, @Nullable Path network, String backend) {
    // Steps are what is looked at: every question is read.
    this(
        spyOn(backend),
        directory,
        EngineOptions.builder()
            .network(network)
            .prefixReuse(false)
            .promptLookup(PromptLookup.OFF)
            .build());
  }

  SpiedModel(SpyBackend spy, Path directory, EngineOptions options) {
    this.spy = spy;
    model = LoadedModel.load(directory, options, spy.backend());
    session = new Session(model);
  }

  static SpyBackend spyOn(String backend) {
    return new SpyBackend(Backends.open(backend, 2));
  }

  Answer ask(Question question) {
    return session.ask(question, 1, null).getFirst();
  }

  Answer ask(Question question, TokenListener listener) {
    return session.ask(question, 1, listener).getFirst();
  }

  /** The question's tokens with an open thinking block. */
  int tokens(Question question) {
    return model.prompts().thinking(question).length;
  }

  List<Integer> encode(String text) {
    return IntStream.of(model.prompts().encode(text)).boxed().toList();
  }

  @Override
  public void close() {
    session.close();
    model.close();
  }
}
