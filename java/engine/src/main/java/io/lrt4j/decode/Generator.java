package io.lrt4j.decode;

import io.lrt4j.BackendException;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import io.lrt4j.schedule.Cutoff;
import io.lrt4j.schedule.Rows;
import io.lrt4j.schedule.Scheduler;
import io.lrt4j.schedule.Turn;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The token loop of one caller: fills caches, then lets any number of sequences grow together, a
 * token each per step, and together with those of other callers. Allocates nothing per token.
 */
public final class Generator implements AutoCloseable {
  /** Most tokens that a sequence may be given at once. */
  public static final int MAX_FORCED = Transformer.CHUNK - 1;

  private final Scheduler scheduler;
  private final boolean ownScheduler;
  private final Vocabulary vocabulary;
  private final Transformer model;
  private final Backend ops;
  private final Workspace w;
  private final Batch batch;
  private final LogitSummary[] summaries; // of the step's rows of logits
  private final int[] ids = new int[Transformer.CHUNK];
  private Sampler.Buffers buffers = Sampler.Buffers.NONE; // until something is sampled
  private final int width;
  private boolean followed; // the workspace has the logits after what was appended last

  /** A loop that has the model to itself; see the other constructor. */
  public Generator(Transformer model, int width) {
    this(
        new Scheduler(model),
        width,
        Vocabulary.of(model.config().vocabSize(), null, List.of()),
        true);
  }

  /**
   * A loop that grows up to {@code width} sequences at a time; more take turns. Its steps are
   * shared with all other loops of the scheduler.
   *
   * @param vocabulary of the scheduler's model
   */
  public Generator(Scheduler scheduler, int width, Vocabulary vocabulary) {
    this(scheduler, width, vocabulary, false);
  }

  private Generator(Scheduler scheduler, int width, Vocabulary vocabulary, boolean ownScheduler) {
    this.scheduler = scheduler;
    this.vocabulary = vocabulary;
    this.ownScheduler = ownScheduler;
    this.width = width;
    model = scheduler.model();
    ops = model.backend();
    batch = new Batch(width);
    int heads = Math.max(width, ops.rowsPerRead()); // rows of logits at most
    summaries = LogitSummary.array(heads);
    w = model.newWorkspace(Transformer.CHUNK, heads); // last: nothing can fail once it is there
  }

  public int width() {
    return width;
  }

  /**
   * Appends tokens to a cache.
   *
   * @param hidden receives their final hidden states, [n, hidden], or null
   */
  public void prefill(KvCache cache, int[] tokens, @Nullable Tensor hidden) {
    prefill(cache, tokens, 0, hidden, false, null);
  }

  /**
   * The same from token {@code from} on: those before are in the cache, and in {@code hidden}.
   *
   * @param goesOn whether {@link #logits} will be asked for: the step that appends the last token
   *     makes them, with those of the others that are in it
   * @param cutoff looked at before every chunk of tokens; null if nothing ends it
   * @return whether all tokens were appended
   */
  public boolean prefill(
      KvCache cache,
      int[] tokens,
      int from,
      @Nullable Tensor hidden,
      boolean goesOn,
      @Nullable Cutoff cutoff) {
    vocabulary.check(tokens);
    return read(cache, tokens.length - from, new Prompt(tokens, from, hidden, goesOn), cutoff);
  }

  private boolean read(KvCache cache, int n, Rows rows, @Nullable Cutoff cutoff) {
    followed = false;
    boolean all = turn(cutoff).read(model, w, cache, n, rows);
    followed = all && rows.logits();
    return all;
  }

  /** Turns at the model, between the steps of those who decode, until {@code cutoff} ends it. */
  public Turn turn(@Nullable Cutoff cutoff) {
    return scheduler.turn(cutoff);
  }

  /** Appends {@code n} embeddings, [n, hidden], and tokens behind them to a cache, to go on. */
  public void prefill(KvCache cache, Tensor embeddings, int n, int[] tokens) {
    prefill(cache, embeddings, n, tokens, null);
  }

  /** The same, unless {@code cutoff} ends it on the way. */
  public boolean prefill(
      KvCache cache, Tensor embeddings, int n, int[] tokens, @Nullable Cutoff cutoff) {
    vocabulary.check(tokens);
    return read(cache, n + tokens.length, new Latents(embeddings, n, tokens), cutoff);
  }

  /** A cache is filled with tokens. */
  private final class Prompt implements Rows {
    private final int[] tokens;
    private final int begin; // of them that are to be read
    private final @Nullable Tensor hiddenStates; // for all of them, or null
    private final boolean goesOn;

    Prompt(int[] tokens, int begin, @Nullable Tensor hiddenStates, boolean goesOn) {
      this.tokens = tokens;
      this.begin = begin;
      this.hiddenStates = hiddenStates;
      this.goesOn = goesOn;
    }

    @Override
    public void write(Tensor x, int at, int from, int rows) {
      embed(tokens, begin + from, rows, x, at);
    }

    @Override
    public int wanted(int from, int rows) {
      return hiddenStates == null ? 1 : rows;
    }

    @Override
    public void take(Tensor hidden, int at, int from, int rows) {
      ops.copyRows(hidden, at + rows - 1, w.headInput, 0, 1);
      if (hiddenStates != null) {
        ops.copyRows(hidden, at, hiddenStates, begin + from, rows);
      }
    }

    @Override
    public boolean logits() {
      return goesOn;
    }
  }

  /** A cache is filled with embeddings, and tokens behind them. */
  private final class Latents implements Rows {
    private final Tensor embeddings;
    private final int n;
    private final int[] tokens;

    Latents(Tensor embeddings, int n, int[] tokens) {
      this.embeddings = embeddings;
      this.n = n;
      this.tokens = tokens;
    }

    @Override
    public void write(Tensor x, int at, int from, int rows) {
      int latents = Math.clamp(n - from, 0, rows);
      if (latents > 0) {
        ops.copyRows(embeddings, from, x, at, latents);
      }
      if (rows > latents) {
        embed(tokens, from + latents - n, rows - latents, x, at + latents);
      }
    }

    @Override
    public int wanted(int from, int rows) {
      return 1;
    }

    @Override
    public void take(Tensor hidden, int at, int from, int rows) {
      ops.copyRows(hidden, at, w.headInput, 0, 1);
    }

    @Override
    public boolean logits() {
      return true;
    }
  }

  /** Embeds tokens into {@code x}, from row {@code at} on. */
  private void embed(int[] tokens, int from, int rows, Tensor x, int at) {
    if (at == 0) {
      model.embed(tokens, from, rows, x);
    } else {
      model.embed(tokens, from, rows, w.hidden);
      ops.copyRows(w.hidden, 0, x, at, rows);
    }
  }

  /**
   * The summary itself.
   *
   * @param after how many tokens its row of logits comes after
   * @throws BackendException if they are not finite numbers
   */
  public static LogitSummary checked(LogitSummary summary, int after) {
    if (!Float.isFinite(summary.logSumExp)) {
      throw new BackendException(
          "the model's logits are not finite numbers after "
              + after
              + " tokens: its weights are damaged or too large for f32");
    }
    return summary;
  }

  /** Logits after what was appended last, [1, vocab]; good until the next call. */
  public Tensor logits() {
    return Objects.requireNonNull(logits(null));
  }

  /** The same, or null if {@code cutoff} ended it. */
  public @Nullable Tensor logits(@Nullable Cutoff cutoff) {
    boolean made =
        followed
            ? cutoff == null || !cutoff.isReached()
            : turn(cutoff).take(() -> model.logits(1, w));
    return made ? w.logits : null;
  }

  /**
   * Logits of the {@code rows} rows, at most {@link #width}, that {@code hidden} has from {@code
   * from} on; null if {@code cutoff} ended it.
   */
  public @Nullable Tensor logits(Tensor hidden, int from, int rows, @Nullable Cutoff cutoff) {
    followed = false;
    Runnable head =
        () -> {
          ops.copyRows(hidden, from, w.headInput, 0, rows);
          model.logits(rows, w);
        };
    return turn(cutoff).take(head) ? w.logits : null;
  }

  /**
   * Lets all sequences grow to their ends; each starts from the logits, [1, vocab], that its
   * cache's end gave.
   */
  public void run(List<Sequence> sequences, Tensor firstLogits) {
    run(sequences, firstLogits, null);
  }

  /** The same, unless {@code cutoff}, which is that of each, ends them all. */
  public void run(List<Sequence> sequences, Tensor firstLogits, @Nullable Cutoff cutoff) {
    boolean readLogits = sequences.stream().anyMatch(Sequence::readsLogits);
    if (buffers.logits.length == 0 && readLogits) {
      buffers = new Sampler.Buffers(model.config().vocabSize());
    }
    // A backend that chooses tokens sums up their rows too.
    boolean summed = !readLogits || !ops.samples(model.config().vocabSize());
    if (summed) {
      ops.summarize(firstLogits, 0, summaries[0]);
    }
    for (int i = 0; i < sequences.size(); i++) {
      sequences.get(i).take(ops, firstLogits, 0, summaries[0], summed, buffers);
    }
    followed = false; // steps come
    Sequence[] open = sequences.toArray(new Sequence[0]);
    // Samples whose turn has not come hold no memory of their own.
    long fitting = width;
    for (int i = 0; i < open.length; i++) {
      // One less, for what they were forked from.
      fitting = Math.min(fitting, model.store().capacity(open[i].longest()) - 1);
    }
    int together = (int) Math.max(1, fitting);
    int n = compact(open, open.length);
    if (n == 0) {
      return;
    }
    LogitSummary[] sums = summed ? summaries : new LogitSummary[0];
    try (Scheduler.Client client = scheduler.join(w, batch, ids, sums, readLogits, cutoff)) {
      for (; n > 0; n = compact(open, n)) {
        int running = Math.min(n, together);
        for (int from = 0; from < running; ) {
          int to = step(client, open, from, running, summed);
          if (to == from) {
            for (int i = 0; i < n; i++) {
              open[i].cutOff();
            }
            break;
          }
          from = to;
        }
      }
    }
  }

  /**
   * Moves the unfinished sequences to the front and returns how many there are; frees the others.
   */
  private static int compact(Sequence[] open, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
      if (open[i].isFinished()) {
        open[i].release();
      } else {
        open[kept++] = open[i];
      }
    }
    return kept;
  }

  /**
   * One step for as many sequences as fit, from {@code from} on; returns the first that did not,
   * {@code from} itself if all were called off.
   */
  private int step(Scheduler.Client client, Sequence[] open, int from, int n, boolean summed) {
    batch.clear();
    // All who are in a step share the rows that it has for little more than one.
    int guesses = ops.rowsPerRead() / (client.company() * Math.min(n, width)) - 1;
    int to = from;
    int rows = 0;
    while (to < n && to - from < width && rows + open[to].feedCount() <= ids.length) {
      Sequence next = open[to];
      next.guess(Math.min(guesses, ids.length - rows - 1));
      batch.add(next.cache(), next.feedCount(), next.heads());
      rows += next.feed(ids, rows);
      to++;
    }
    if (!client.step()) {
      return from;
    }
    for (int i = from, row = 0; i < to; i++) {
      int given = open[i].heads();
      open[i].takeAll(ops, w.logits, row, summaries, summed, buffers);
      row += given;
    }
    return to;
  }

  @Override
  public void close() {
    w.close();
    if (ownScheduler) {
      scheduler.close();
    }
  }
}
