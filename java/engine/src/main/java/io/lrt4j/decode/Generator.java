package io.lrt4j.decode;

import io.lrt4j.BackendException;
import io.lrt4j.QuestionException;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import io.lrt4j.schedule.Scheduler;
import io.lrt4j.schedule.Turn;
import java.util.List;
import java.util.function.BooleanSupplier;
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
  private final Transformer model;
  private final Backend ops;
  private final Workspace w;
  private final Batch batch;
  private final LogitSummary summary = new LogitSummary();
  private final int[] ids = new int[Transformer.CHUNK];
  private final float[] host; // one row of logits, for sampling
  private final int width;

  /** A loop that has the model to itself; see the other constructor. */
  public Generator(Transformer model, int width) {
    this(new Scheduler(model), width, true);
  }

  /**
   * A loop that grows up to {@code width} sequences at a time; more take turns. Its steps are
   * shared with all other loops of the scheduler.
   */
  public Generator(Scheduler scheduler, int width) {
    this(scheduler, width, false);
  }

  private Generator(Scheduler scheduler, int width, boolean ownScheduler) {
    this.scheduler = scheduler;
    this.ownScheduler = ownScheduler;
    this.width = width;
    model = scheduler.model();
    ops = model.backend();
    batch = new Batch(width);
    host = new float[model.config().vocabSize()];
    w = model.newWorkspace(Transformer.CHUNK, width); // last: nothing can fail once it is there
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
    prefill(cache, tokens, hidden, () -> false);
  }

  /**
   * The same, unless it is called off on the way.
   *
   * @param calledOff asked before every chunk of tokens
   * @return whether all tokens were appended
   */
  public boolean prefill(
      KvCache cache, int[] tokens, @Nullable Tensor hidden, BooleanSupplier calledOff) {
    checkIds(tokens);
    Turn turn = turn(calledOff);
    for (int at = 0; at < tokens.length; at += w.rows) {
      int from = at;
      int rows = Math.min(w.rows, tokens.length - at);
      boolean done =
          turn.take(
              () -> {
                model.embed(tokens, from, rows, w);
                append(cache, rows, hidden, from);
              });
      if (!done) {
        return false;
      }
    }
    return true;
  }

  /** Turns at the model, between the steps of those who decode, until it is called off. */
  public Turn turn(BooleanSupplier calledOff) {
    return piece -> {
      if (calledOff.getAsBoolean()) {
        return false;
      }
      scheduler.inTurn(piece);
      return true;
    };
  }

  /** Appends {@code n} embeddings, [n, hidden], to a cache. */
  public void prefill(KvCache cache, Tensor embeddings, int n) {
    prefill(cache, embeddings, n, () -> false);
  }

  /** The same, unless it is called off on the way. */
  public boolean prefill(KvCache cache, Tensor embeddings, int n, BooleanSupplier calledOff) {
    Turn turn = turn(calledOff);
    for (int at = 0; at < n; at += w.rows) {
      int from = at;
      int rows = Math.min(w.rows, n - at);
      boolean done =
          turn.take(
              () -> {
                ops.copyRows(embeddings, from, w.x, 0, rows);
                append(cache, rows, null, 0);
              });
      if (!done) {
        return false;
      }
    }
    return true;
  }

  private void append(KvCache cache, int rows, @Nullable Tensor hidden, int at) {
    model.forward(batch.clear().add(cache, rows), w);
    ops.copyRows(w.hidden, rows - 1, w.headInput, 0, 1);
    if (hidden != null) {
      ops.copyRows(w.hidden, 0, hidden, at, rows);
    }
  }

  private void checkIds(int[] tokens) {
    int vocabulary = model.config().vocabSize();
    for (int id : tokens) {
      if (id < 0 || id >= vocabulary) {
        throw new QuestionException(
            "token ids must be 0 to " + (vocabulary - 1) + ", the model's vocabulary, found " + id);
      }
    }
  }

  /**
   * Sums up one row of logits.
   *
   * @param after how many tokens the row comes after
   * @throws BackendException if they are not finite numbers
   */
  public static void summarize(
      Backend ops, Tensor logits, int row, int after, LogitSummary summary) {
    ops.summarize(logits, row, summary);
    if (!Float.isFinite(summary.logSumExp)) {
      throw new BackendException(
          "the model's logits are not finite numbers after "
              + after
              + " tokens: its weights are damaged or too large for f32");
    }
  }

  /** Logits after what was appended last, [1, vocab]; good until the next call. */
  public Tensor logits() {
    model.logits(1, w);
    return w.logits;
  }

  /**
   * Logits of the {@code rows} rows that {@code hidden} has from {@code from} on; at most {@link
   * #width}.
   */
  public Tensor logits(Tensor hidden, int from, int rows) {
    ops.copyRows(hidden, from, w.headInput, 0, rows);
    model.logits(rows, w);
    return w.logits;
  }

  /**
   * Lets all sequences grow to their ends; each starts from the logits, [1, vocab], that its
   * cache's end gave.
   */
  public void run(List<Sequence> sequences, Tensor firstLogits) {
    for (int i = 0; i < sequences.size(); i++) {
      sequences.get(i).take(ops, firstLogits, 0, summary, host);
    }
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
    try (Scheduler.Client client = scheduler.join(w, batch, ids)) {
      for (; n > 0; n = compact(open, n)) {
        int running = Math.min(n, together);
        for (int from = 0; from < running; ) {
          from = step(client, open, from, running);
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
   * One step for as many sequences as fit, from {@code from} on; returns the first that did not.
   */
  private int step(Scheduler.Client client, Sequence[] open, int from, int n) {
    batch.clear();
    int to = from;
    int rows = 0;
    while (to < n && to - from < width && rows + open[to].feedCount() <= ids.length) {
      rows += open[to].feed(ids, rows);
      batch.add(open[to].cache(), open[to].feedCount());
      to++;
    }
    client.step();
    for (int i = from; i < to; i++) {
      open[i].take(ops, w.logits, i - from, summary, host);
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
