package io.lrt4j;

import io.lrt4j.reasoning.LoadedModel;
import io.lrt4j.reasoning.Session;
import io.lrt4j.text.Tokenizer;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A loaded model (and its reasoning network, if it has one), ready to answer. Immutable and shared
 * by threads; every call may be made from any thread at any time. Close it once nobody asks any
 * more: a call after that is an {@link IllegalStateException}. One that is dropped unclosed is
 * freed when the garbage collector finds it.
 */
public final class Engine implements AutoCloseable {
  /** Sessions kept for the next questions; more callers than that make their own. */
  private static final int MAX_IDLE = 8;

  /** More of one question at a time than this is a mistake, and would fill the memory. */
  private static final int MAX_SAMPLES = 1 << 16;

  /** Frees engines that were dropped unclosed. */
  private static final Cleaner CLEANER = Cleaner.create();

  private final LoadedModel model;
  private final double loadMillis;
  private final Deque<Session> idle = new ArrayDeque<>(); // guarded by itself, as the next two are
  private final List<Thread> asking = new ArrayList<>(); // once for every call under way
  private boolean closed;
  private final Cleaner.Cleanable resources;

  private Engine(LoadedModel model, double loadMillis) {
    this.model = model;
    this.loadMillis = loadMillis;
    resources = CLEANER.register(this, new Resources(model, idle));
  }

  /** What an engine has outside the heap; it does not know the engine, which may be dropped. */
  private record Resources(LoadedModel model, Deque<Session> idle) implements Runnable {
    @Override
    public void run() {
      try (model) {
        synchronized (idle) {
          idle.forEach(Session::close);
          idle.clear();
        }
      }
    }
  }

  /** Loads a checkpoint directory with {@link EngineOptions#defaults()}. */
  public static Engine load(Path model) {
    return load(model, EngineOptions.defaults());
  }

  /**
   * Loads a Hugging Face checkpoint directory. Its files are not needed any more once it is loaded,
   * unless the options map the weights.
   *
   * @throws CheckpointException if it is damaged or incomplete
   * @throws UnsupportedModelException if it asks for something that is not run
   * @throws BackendException if the backend asked for is not available
   */
  public static Engine load(Path model, EngineOptions options) {
    long start = System.nanoTime();
    LoadedModel loaded = LoadedModel.load(model, options);
    return new Engine(loaded, (System.nanoTime() - start) / 1e6);
  }

  /** Answers one question. */
  public Answer ask(String question, Mode mode) {
    return ask(Question.of(question).mode(mode));
  }

  /**
   * Answers one question. An interrupt ends the answer like a {@link Cancellation}; the thread
   * stays interrupted.
   *
   * @throws QuestionException if it cannot be answered as asked
   * @throws TemplateException if the model's chat template refuses the messages
   * @throws BackendException if the model computes no finite numbers, or memory runs out
   */
  public Answer ask(Question question) {
    return inSession(session -> session.ask(question, 1, null)).getFirst();
  }

  /** Answers one question, handing every token to {@code listener} as it comes. */
  public Answer ask(Question question, TokenListener listener) {
    return inSession(session -> session.ask(question, 1, listener)).getFirst();
  }

  /**
   * {@code count} independently sampled answers, for which the question is encoded (and reasoned
   * about) once. Answer i is the one that {@link #ask} gives with seed + i; without a seed one is
   * drawn for the first.
   */
  public List<Answer> sample(Question question, int count) {
    if (count < 1 || count > MAX_SAMPLES) {
      throw new QuestionException(
          "the number of samples must be 1 to " + MAX_SAMPLES + ", found " + count);
    }
    return inSession(session -> session.ask(question, count, null));
  }

  /**
   * Plain completion of token ids, no template: {@link Answer#text()} is what follows.
   *
   * @throws QuestionException if the prompt is empty, too long, or has an id that is none
   */
  public Answer generate(int[] prompt, GenerationOptions options) {
    return inSession(session -> session.generate(prompt, options, null));
  }

  /** Plain completion, handing every token to {@code listener} as it comes. */
  public Answer generate(int[] prompt, GenerationOptions options, TokenListener listener) {
    return inSession(session -> session.generate(prompt, options, listener));
  }

  /**
   * Log-probabilities of a given sequence, and on request logits and final hidden states.
   *
   * @throws QuestionException if it is empty, longer than the model's context, or has an id that is
   *     none
   */
  public Scores score(int[] ids, boolean withLogits, boolean withHidden) {
    return inSession(session -> session.score(ids, withLogits, withHidden));
  }

  /** Token ids of a text; special tokens written out in it are recognised, none are added. */
  public int[] encode(String text) {
    try {
      return model.tokenizer("read text").encode(text);
    } finally {
      Reference.reachabilityFence(this); // or it may be freed under the last call's feet
    }
  }

  /**
   * Text of token ids, special tokens included. Ids that only pad the model's vocabulary say
   * nothing.
   *
   * @throws QuestionException if an id is none of the model's
   */
  public String decode(int[] ids) {
    try {
      Tokenizer tokenizer = model.tokenizer("write text");
      int bound = Math.max(model.vocabularySize(), tokenizer.vocabularySize());
      for (int id : ids) {
        if (id < 0 || id >= bound) {
          throw new QuestionException(
              "token ids must be 0 to " + (bound - 1) + ", the model's vocabulary, found " + id);
        }
      }
      return tokenizer.decode(ids, false);
    } finally {
      Reference.reachabilityFence(this); // or it may be freed under the last call's feet
    }
  }

  /**
   * Token ids that the model is given for a question in its mode, up to where latents, thinking or
   * answer begin.
   */
  public int[] prompt(Question question) {
    return inSession(session -> session.prompt(question));
  }

  /**
   * The latent vectors, [t][d], that the reasoning network computes for a question: what takes the
   * place of written thinking. None, [0][], if the question's {@link Cancellation} called it off.
   *
   * @throws QuestionException if there is no reasoning network, or the question is too long
   */
  public float[][] latents(Question question) {
    return inSession(session -> session.latents(question));
  }

  /** Whether the checkpoint came with a tokenizer. */
  public boolean hasTokenizer() {
    return model.hasTokenizer();
  }

  /**
   * The mode that a question without one is answered in: auto with a calibrated network, else
   * latent with one, else explicit if the model knows thinking, else direct.
   */
  public Mode defaultMode() {
    return model.defaultMode();
  }

  /**
   * Whether the model's tokenizer or chat template knows thinking ({@code <think>}, {@code
   * enable_thinking}). One that does not, a plain instruct model, thinks only if a question asks
   * for explicit mode, and is asked plainly in direct mode.
   */
  public boolean knowsThinking() {
    return model.prompts().knowsThinking();
  }

  /** The directory that the model was loaded from. */
  public Path model() {
    return model.directory();
  }

  /** The directory that the reasoning network was loaded from, or null without one. */
  public @Nullable Path network() {
    return model.networkDirectory();
  }

  /** Name of the compute backend in use: {@code scalar}, {@code vector}, … */
  public String backend() {
    return model.backend().name();
  }

  /**
   * What the checkpoint's {@code generation_config.json} asks for: greedy unless it says {@code
   * do_sample}, with its filters (top-k, top-p, min-p: they count once a temperature is set) and
   * its repetition penalty; what it does not say is as in transformers, top-k 50 among it.
   */
  public GenerationOptions defaultOptions() {
    return model.defaultOptions();
  }

  /** Time that loading took, in milliseconds. */
  public double loadMillis() {
    return loadMillis;
  }

  /** What was loaded, what runs it, and why. */
  public String describe() {
    return model.describe();
  }

  private <T> T inSession(Function<Session, T> work) {
    Session session = borrow();
    boolean sound = false;
    try {
      T result = work.apply(session);
      sound = true;
      return result;
    } catch (InternalError e) {
      throw model.changed(e);
    } finally {
      giveBack(session, sound);
    }
  }

  private Session borrow() {
    synchronized (idle) {
      if (closed) {
        throw new IllegalStateException("the engine is closed");
      }
      asking.add(Thread.currentThread());
      if (!idle.isEmpty()) {
        return idle.pop();
      }
    }
    boolean made = false;
    try {
      Session session = new Session(model);
      made = true;
      return session;
    } finally {
      if (!made) {
        release();
      }
    }
  }

  /**
   * A session in which something was thrown is not used again: it may be half-way through anything.
   */
  private void giveBack(Session session, boolean sound) {
    boolean keep;
    synchronized (idle) {
      keep = sound && !closed && idle.size() < MAX_IDLE;
      if (keep) {
        idle.push(session);
      }
    }
    try {
      if (!keep) {
        session.close();
      }
    } finally {
      release();
    }
  }

  private void release() {
    synchronized (idle) {
      asking.remove(Thread.currentThread());
      idle.notifyAll();
    }
  }

  /**
   * Waits for the answers under way, then frees all memory and threads. Closing again does nothing.
   *
   * @throws IllegalStateException if a {@link TokenListener} of this engine calls it: it would wait
   *     for itself
   */
  @Override
  public void close() {
    boolean interrupted = false;
    synchronized (idle) {
      if (closed) {
        return;
      }
      if (asking.contains(Thread.currentThread())) {
        throw new IllegalStateException(
            "an engine cannot be closed by a listener: closing waits for the answer it listens to");
      }
      closed = true;
      while (!asking.isEmpty()) {
        try {
          idle.wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    resources.clean();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
