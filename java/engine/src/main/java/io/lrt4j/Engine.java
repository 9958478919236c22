package io.lrt4j;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A loaded model (and its reasoning network, if it has one), ready to answer. Immutable and shared
 * by threads; every call may be made from any thread at any time. Close it once nobody asks any
 * more: a call after that is an {@link IllegalStateException}. One that is dropped unclosed is
 * freed when the garbage collector finds it.
 *
 * <p>An interface so that those who use it can put something else in its place in their tests;
 * {@link #load} gives the real one.
 */
public interface Engine extends AutoCloseable {
  /** Loads a checkpoint directory with {@link EngineOptions#defaults()}. */
  static Engine load(Path model) {
    return load(model, EngineOptions.defaults());
  }

  /**
   * Loads a Hugging Face checkpoint directory. Its files are not needed any more once it is loaded,
   * unless the options map the weights.
   *
   * @throws CheckpointException if it is damaged or incomplete
   * @throws TokenizerException if its tokenizer cannot be loaded
   * @throws UnsupportedModelException if it asks for something that is not run
   * @throws BackendException if the backend asked for is not available
   * @throws java.util.concurrent.CancellationException if the thread is interrupted; it stays so
   */
  static Engine load(Path model, EngineOptions options) {
    return load(model, options, LoadListener.NONE);
  }

  /** The same, telling {@code listener} how far it is. */
  static Engine load(Path model, EngineOptions options, LoadListener listener) {
    return LoadedEngine.load(model, options, listener);
  }

  /** Answers one question. */
  default Answer ask(String question, Mode mode) {
    Objects.requireNonNull(question, "question");
    return ask(Question.of(question).mode(mode));
  }

  /**
   * Answers one question. An interrupt ends the answer like a {@link Cancellation}; the thread
   * stays interrupted.
   *
   * @throws QuestionException if it cannot be answered as asked; a {@link QuestionTooLongException}
   *     if a shorter one could
   * @throws OverloadedException if too many are asking already, see {@link EngineOptions#queue}
   * @throws CacheMemoryException if all answers under way need more memory than they may
   * @throws TemplateException if the model's chat template cannot be parsed (loading and {@link
   *     #generate} go without it), or refuses the messages
   * @throws BackendException if the model computes no finite numbers, or memory runs out
   */
  Answer ask(Question question);

  /** Answers one question, handing every token to {@code listener} as it comes. */
  Answer ask(Question question, TokenListener listener);

  /**
   * Answers one question on a thread of the engine. What {@link #ask(Question)} throws, the future
   * fails with. Cancelling the future, or completing it in any other way (as {@code orTimeout}
   * does), ends the answer like a {@link Cancellation}. What depends on it without {@code Async}
   * runs on the answering thread: it must not take long, nor wait for another answer.
   */
  CompletableFuture<Answer> askAsync(Question question);

  /** The same, handing every token to {@code listener}, on that thread, as it comes. */
  CompletableFuture<Answer> askAsync(Question question, TokenListener listener);

  /**
   * An answer as a stream of its tokens, for reactive frameworks; asked once somebody subscribes.
   */
  AnswerStream stream(Question question);

  /**
   * {@code count} independently sampled answers, for which the question is encoded (and reasoned
   * about) once. Answer i is the one that {@link #ask} gives with seed + i; without a seed one is
   * drawn for the first.
   *
   * @param count 1 to 65,536
   * @throws QuestionException if it is none of these, and what else {@link #ask(Question)} throws
   */
  List<Answer> sample(Question question, int count);

  /**
   * Plain completion of token ids, no template: {@link Answer#text()} is what follows.
   *
   * @param options what they leave unset is as {@link #defaultOptions()} say
   * @throws QuestionException if the prompt is empty or has an id that is none; a {@link
   *     QuestionTooLongException} if it is too long
   */
  Answer generate(int[] prompt, GenerationOptions options);

  /** Plain completion, handing every token to {@code listener} as it comes. */
  Answer generate(int[] prompt, GenerationOptions options, TokenListener listener);

  /**
   * Log-probabilities of a given sequence, and on request logits and final hidden states.
   *
   * @throws java.util.concurrent.CancellationException if the thread is interrupted; it stays so
   * @throws QuestionException if it is empty or has an id that is none; a {@link
   *     QuestionTooLongException} if it is longer than the model's context
   */
  Scores score(int[] ids, boolean withLogits, boolean withHidden);

  /**
   * Log-probabilities of a given sequence, and of the most probable tokens in each place, as many
   * as {@link GenerationOptions#topLogprobs} asks for. What is then generated from it is not read
   * again.
   *
   * @param options of which count {@code topLogprobs}, the cancellation and the timeout
   * @throws java.util.concurrent.CancellationException if one of the latter, or an interrupt, ended
   *     it
   * @throws QuestionException as {@link #score(int[], boolean, boolean)} does
   */
  Scores score(int[] ids, GenerationOptions options);

  /**
   * Token ids of a text; special tokens written out in it are recognised, none are added.
   *
   * @throws QuestionException if it is no Unicode, or there is no tokenizer; a {@link
   *     QuestionTooLongException} if it is longer than a million chars
   */
  int[] encode(String text);

  /**
   * Text of token ids, special tokens included. Ids that only pad the model's vocabulary say
   * nothing.
   *
   * @throws QuestionException if an id is none of the model's, or there is no tokenizer
   */
  String decode(int[] ids);

  /**
   * Token ids that the model is given for a question in its mode, up to where latents, thinking or
   * answer begin.
   */
  int[] prompt(Question question);

  /**
   * The latent vectors, [t][d], that the reasoning network computes for a question: what takes the
   * place of written thinking. None, [0][], if the question's {@link Cancellation}, its timeout or
   * an interrupt ended it.
   *
   * @throws QuestionException if there is no reasoning network; a {@link QuestionTooLongException}
   *     if the question is too long
   */
  float[][] latents(Question question);

  /**
   * Answers made-up questions, in each way that there is to reason here, until that gets no faster:
   * the first answers of a Java process take many times as long as later ones, while what they run
   * is compiled. After half a minute no more is begun. What answers come to be does not depend on
   * it, and no beginning of a question is remembered for it.
   *
   * @return how long it took
   * @throws java.util.concurrent.CancellationException if the thread is interrupted; it stays so
   * @throws OverloadedException as {@link #ask(Question)} does
   */
  Duration warmUp();

  /** Whether the checkpoint came with a tokenizer. */
  boolean hasTokenizer();

  /**
   * The mode that a question without one is answered in: auto with a calibrated network, else
   * latent with one, else explicit if the model knows thinking, else direct.
   */
  Mode defaultMode();

  /**
   * Whether the model's tokenizer or chat template knows thinking ({@code <think>}, {@code
   * enable_thinking}). One that does not, a plain instruct model, thinks only if a question asks
   * for explicit mode, and is asked plainly in direct mode.
   */
  boolean knowsThinking();

  /** The directory that the model was loaded from. */
  Path model();

  /** The directory that the reasoning network was loaded from, or null without one. */
  @Nullable Path network();

  /** Name of the compute backend in use: {@code scalar}, {@code vector}, … */
  String backend();

  /**
   * What the checkpoint's {@code generation_config.json} asks for: greedy unless it says {@code
   * do_sample}, with its filters (top-k, top-p, min-p: they count once a temperature is set) and
   * its repetition penalty; what it does not say is as in transformers, top-k 50 among it, and what
   * no such file says as in {@link GenerationOptions#defaults()}.
   */
  GenerationOptions defaultOptions();

  /** Time that loading took, in milliseconds. */
  double loadMillis();

  /** What was loaded, what runs it, and why. */
  String describe();

  /**
   * Waits for the answers under way, then frees all memory and threads. Closing again does nothing.
   *
   * @throws IllegalStateException if a {@link TokenListener} of this engine calls it: it would wait
   *     for itself
   */
  @Override
  void close();
}
