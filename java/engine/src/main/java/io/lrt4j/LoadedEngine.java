package io.lrt4j;

import io.lrt4j.reasoning.LoadedModel;
import io.lrt4j.reasoning.Session;
import io.lrt4j.reasoning.WarmUp;
import io.lrt4j.schedule.Admission;
import io.lrt4j.schedule.Cutoff;
import io.lrt4j.text.Tokenizer;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** An engine that computes in this process; sessions are kept for the next questions. */
final class LoadedEngine implements Engine {
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
  private final Admission admission;
  private final ThreadPoolExecutor asynchronous;
  private final Cleaner.Cleanable resources;

  private LoadedEngine(
      LoadedModel model, EngineOptions options, double loadMillis, ThreadFactory threads) {
    this.model = model;
    admission = new Admission(options.concurrency(), options.queue());
    asynchronous = newPool(options.concurrency(), threads);
    this.loadMillis = loadMillis;
    resources = CLEANER.register(this, new Resources(model, idle));
  }

  /** Threads for those who do not want to wait on their own; they end when there is none. */
  private static ThreadPoolExecutor newPool(int size, ThreadFactory threads) {
    var pool =
        new ThreadPoolExecutor(
            size, size, 1, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), threads);
    pool.allowCoreThreadTimeOut(true);
    return pool;
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

  static Engine load(Path model, EngineOptions options, LoadListener listener) {
    ThreadFactory threads = Thread.ofPlatform().daemon().name("lrt4j-answer-", 0).factory();
    return load(model, options, listener, threads);
  }

  /** The same with threads of the caller's for {@link #askAsync}. */
  static Engine load(
      Path model, EngineOptions options, LoadListener listener, ThreadFactory threads) {
    Objects.requireNonNull(model, "model");
    Objects.requireNonNull(options, "options");
    Objects.requireNonNull(listener, "listener");
    long start = System.nanoTime();
    LoadedModel loaded = LoadedModel.load(model, options, listener);
    return new LoadedEngine(loaded, options, (System.nanoTime() - start) / 1e6, threads);
  }

  @Override
  public Answer ask(Question question) {
    return answer(question, 1, null).getFirst();
  }

  @Override
  public Answer ask(Question question, TokenListener listener) {
    return answer(question, 1, listener).getFirst();
  }

  private List<Answer> answer(Question question, int count, @Nullable TokenListener listener) {
    Objects.requireNonNull(question, "question");
    long asked = System.nanoTime();
    Cutoff cutoff = new Cutoff(question.options(), asked);
    return admitted(cutoff, session -> session.ask(question, count, listener, asked));
  }

  /** Work for a session, once it is its turn. */
  private <T> T admitted(Cutoff cutoff, Function<Session, T> work) {
    admission.enter();
    try (var _ = admission.place(cutoff)) {
      return inSession(work);
    } finally {
      admission.leave();
    }
  }

  @Override
  public CompletableFuture<Answer> askAsync(Question question) {
    return askAsync(question, null);
  }

  @Override
  public CompletableFuture<Answer> askAsync(Question question, @Nullable TokenListener listener) {
    Objects.requireNonNull(question, "question");
    Cancellation cancellation = Cancellation.with(question.options().cancellation());
    CompletableFuture<Answer> answer = new CompletableFuture<>();
    answer(question.cancelledBy(cancellation), cancellation, listener, answer);
    return answer;
  }

  @Override
  public AnswerStream stream(Question question) {
    Objects.requireNonNull(question, "question");
    return new TokenPublisher(this, question);
  }

  /**
   * Completes {@code answer} with the answer, on another thread.
   *
   * @param cancellation of the question; thrown when {@code answer} is completed by somebody else
   */
  @SuppressWarnings("FutureReturnValueIgnored") // the other end of the future is the caller's
  void answer(
      Question question,
      Cancellation cancellation,
      @Nullable TokenListener listener,
      CompletableFuture<Answer> answer) {
    answer.whenComplete((result, failure) -> cancellation.cancel());
    long asked = System.nanoTime();
    try {
      admission.enter();
    } catch (OverloadedException e) {
      answer.completeExceptionally(e);
      return;
    }
    var begun = new AtomicBoolean(); // or given up
    Runnable task =
        () -> {
          if (begun.compareAndSet(false, true)) {
            complete(question, listener, asked, answer);
          }
        };
    try {
      asynchronous.execute(task);
    } catch (RejectedExecutionException | OutOfMemoryError e) { // the error: no thread to be had
      asynchronous.remove(task); // it may wait there all the same
      if (begun.compareAndSet(false, true)) {
        admission.leave();
        answer.completeExceptionally(e instanceof OutOfMemoryError ? e : closed());
      }
    }
  }

  private void complete(
      Question question,
      @Nullable TokenListener listener,
      long asked,
      CompletableFuture<Answer> answer) {
    Answer done;
    try (var _ = admission.place(new Cutoff(question.options(), asked))) {
      done = inSession(session -> session.ask(question, 1, listener, asked)).getFirst();
    } catch (RuntimeException | Error e) {
      answer.completeExceptionally(e);
      return;
    } finally {
      admission.leave();
    }
    answer.complete(done);
  }

  @Override
  public List<Answer> sample(Question question, int count) {
    if (count < 1 || count > MAX_SAMPLES) {
      throw new QuestionException(
          "the number of samples must be 1 to " + MAX_SAMPLES + ", found " + count);
    }
    return answer(question, count, null);
  }

  @Override
  public Answer generate(int[] prompt, GenerationOptions options) {
    return complete(prompt, options, null);
  }

  @Override
  public Answer generate(int[] prompt, GenerationOptions options, TokenListener listener) {
    return complete(prompt, options, listener);
  }

  private Answer complete(
      int[] prompt, GenerationOptions options, @Nullable TokenListener listener) {
    Objects.requireNonNull(prompt, "prompt");
    Objects.requireNonNull(options, "options");
    long asked = System.nanoTime();
    Cutoff cutoff = new Cutoff(options, asked);
    return admitted(cutoff, session -> session.generate(prompt, options, listener, asked));
  }

  @Override
  public Scores score(int[] ids, boolean withLogits, boolean withHidden) {
    Objects.requireNonNull(ids, "ids");
    return admitted(Cutoff.interrupt(), session -> session.score(ids, withLogits, withHidden));
  }

  @Override
  public Scores score(int[] ids, GenerationOptions options) {
    Objects.requireNonNull(ids, "ids");
    Objects.requireNonNull(options, "options");
    Cutoff cutoff = new Cutoff(options, System.nanoTime());
    return admitted(cutoff, session -> session.score(ids, options.topLogprobs(), cutoff));
  }

  @Override
  public float[][] latents(Question question) {
    Objects.requireNonNull(question, "question");
    long asked = System.nanoTime();
    Cutoff cutoff = new Cutoff(question.options(), asked);
    return admitted(cutoff, session -> session.latents(question, asked));
  }

  @Override
  public int[] encode(String text) {
    Objects.requireNonNull(text, "text");
    return withTokenizer("read text", tokenizer -> tokenizer.encode(text));
  }

  @Override
  public String decode(int[] ids) {
    Objects.requireNonNull(ids, "ids");
    return withTokenizer("write text", tokenizer -> decode(ids, tokenizer));
  }

  private String decode(int[] ids, Tokenizer tokenizer) {
    int bound = Math.max(model.vocabularySize(), tokenizer.vocabularySize());
    for (int id : ids) {
      if (id < 0 || id >= bound) {
        throw new QuestionException(
            "token ids must be 0 to " + (bound - 1) + ", the model's vocabulary, found " + id);
      }
    }
    return tokenizer.decode(ids, false);
  }

  /** No call that closing waits for: one of a listener goes on while it does. */
  private <T> T withTokenizer(String what, Function<Tokenizer, T> use) {
    try {
      return use.apply(model.tokenizer(what));
    } catch (IllegalStateException e) { // it is closed, with the engine
      throw closed();
    } finally {
      Reference.reachabilityFence(this); // or it may be freed under the last call's feet
    }
  }

  @Override
  public int[] prompt(Question question) {
    Objects.requireNonNull(question, "question");
    return inSession(session -> session.prompt(question));
  }

  @Override
  public Duration warmUp() {
    return WarmUp.run(
        start ->
            admitted(
                new Cutoff(WarmUp.OPTIONS, start),
                session -> {
                  WarmUp.round(session, model, start);
                  return start;
                }));
  }

  @Override
  public boolean hasTokenizer() {
    return model.hasTokenizer();
  }

  @Override
  public Mode defaultMode() {
    return model.defaultMode();
  }

  @Override
  public boolean knowsThinking() {
    return model.prompts().knowsThinking();
  }

  @Override
  public Path model() {
    return model.directory();
  }

  @Override
  public @Nullable Path network() {
    return model.networkDirectory();
  }

  @Override
  public String backend() {
    return model.backend().name();
  }

  @Override
  public GenerationOptions defaultOptions() {
    return model.defaultOptions();
  }

  @Override
  public double loadMillis() {
    return loadMillis;
  }

  @Override
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

  private static IllegalStateException closed() {
    return new IllegalStateException("the engine is closed");
  }

  private Session borrow() {
    synchronized (idle) {
      if (closed) {
        throw closed();
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
    asynchronous.shutdown(); // what waits in it finds the engine closed
    resources.clean();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
