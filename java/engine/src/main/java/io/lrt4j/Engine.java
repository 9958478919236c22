package io.lrt4j;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A loaded model (and its reasoning network, if it has one), ready to answer. Immutable and shared
 * by threads; every call may be made from any thread at any time. Close it once nobody asks any
 * more: a call after that is an {@link IllegalStateException}.
 */
@SuppressWarnings("DoNotCallSuggester")
public final class Engine implements AutoCloseable {
  private Engine() {}

  /** Loads a checkpoint directory with {@link EngineOptions#defaults()}. */
  public static Engine load(Path model) {
    return load(model, EngineOptions.defaults());
  }

  /**
   * Loads a Hugging Face checkpoint directory.
   *
   * @throws CheckpointException if it is damaged or incomplete
   * @throws UnsupportedModelException if it asks for something that is not run
   * @throws BackendException if the backend asked for is not available
   */
  public static Engine load(Path model, EngineOptions options) {
    throw new UnsupportedOperationException();
  }

  /** Answers one question. */
  public Answer ask(String question, Mode mode) {
    return ask(Question.of(question).mode(mode));
  }

  /** Answers one question. */
  public Answer ask(Question question) {
    return ask(question, token -> {});
  }

  /** Answers one question, handing every token to {@code listener} as it comes. */
  public Answer ask(Question question, TokenListener listener) {
    throw new UnsupportedOperationException();
  }

  /**
   * {@code count} independently sampled answers that share the question's K/V cache; seeds are
   * {@code seed, seed+1, …}.
   */
  public List<Answer> sample(Question question, int count) {
    throw new UnsupportedOperationException();
  }

  /** Plain completion of token ids, no template: {@link Answer#text()} is what follows. */
  public Answer generate(int[] prompt, GenerationOptions options, TokenListener listener) {
    throw new UnsupportedOperationException();
  }

  /** Log-probabilities of a given sequence. */
  public Scores score(int[] ids, boolean withLogits, boolean withHidden) {
    throw new UnsupportedOperationException();
  }

  /** Token ids of a text; special tokens written out in it are recognised, none are added. */
  public int[] encode(String text) {
    throw new UnsupportedOperationException();
  }

  /** Text of token ids, special tokens included. */
  public String decode(int[] ids) {
    throw new UnsupportedOperationException();
  }

  /** Whether the checkpoint came with a tokenizer. */
  public boolean hasTokenizer() {
    throw new UnsupportedOperationException();
  }

  /** The mode that a question without one is answered in. */
  public Mode defaultMode() {
    throw new UnsupportedOperationException();
  }

  /** The directory that the model was loaded from. */
  public Path model() {
    throw new UnsupportedOperationException();
  }

  /** The directory that the reasoning network was loaded from, or null without one. */
  public @Nullable Path network() {
    throw new UnsupportedOperationException();
  }

  /** Name of the compute backend in use: {@code scalar}, {@code vector}, … */
  public String backend() {
    throw new UnsupportedOperationException();
  }

  /**
   * Generation defaults of the checkpoint ({@code generation_config.json}): sampling on or off,
   * temperature, top-k, top-p.
   */
  public GenerationOptions defaultOptions() {
    throw new UnsupportedOperationException();
  }

  /** Time that loading took, in milliseconds. */
  public double loadMillis() {
    throw new UnsupportedOperationException();
  }

  /** What was loaded, what runs it, and why. */
  public String describe() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}
}
