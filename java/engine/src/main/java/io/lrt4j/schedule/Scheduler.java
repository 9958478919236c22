package io.lrt4j.schedule;

import io.lrt4j.BackendException;
import io.lrt4j.compute.Batch;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Shares one model among all callers of an engine. Whoever decodes hands in its sequences' next
 * rows; one of the callers then runs a step for all that are waiting, so that weights are read once
 * for them together. There is no thread of its own: a caller alone runs its steps itself, at once.
 * Everything longer than a step (a chunk of prefill, of the reasoning network) has its turn between
 * two steps, one after another, so that a long question holds up those who are decoding by no more
 * than a chunk. As a row's result does not depend on what is computed with it, an answer in company
 * is the answer alone, bit for bit.
 *
 * <p>A step waits a moment for callers that are still busy with their last token, but not again for
 * one that made it wait in vain, until that one comes back. Steps allocate nothing.
 */
public final class Scheduler implements AutoCloseable {
  /** Sequences of one step. */
  public static final int SLOTS = 64;

  private static final long SHORTEST_WAIT = 1_000_000; // ns

  private enum State {
    /** With its caller, who is looking at the last step's logits. */
    AWAY,
    WAITING,
    RUNNING
  }

  /** One caller's sequences that decode. */
  public final class Client implements AutoCloseable {
    private final Workspace w;
    private final Batch batch;
    private final int[] ids;
    private State state = State.AWAY;
    private boolean late; // made a step wait in vain
    private @Nullable Throwable failure;

    private Client(Workspace w, Batch batch, int[] ids) {
      this.w = w;
      this.batch = batch;
      this.ids = ids;
    }

    /**
     * One step: appends the batch's rows to its caches, and leaves in the workspace's logits what
     * follows each sequence, in the order of the batch.
     */
    public void step() {
      Scheduler.this.step(this);
    }

    /** Its caller decodes no more. */
    @Override
    public void close() {
      leave(this);
    }
  }

  private final Transformer model;
  private final Batch shared = new Batch(SLOTS);
  private final int[] sharedIds = new int[Transformer.CHUNK];
  private @Nullable Workspace sharedWorkspace; // made for the first step that is shared

  // All of what follows is guarded by this.
  private final List<Client> clients = new ArrayList<>();
  private final Deque<Client> waiting = new ArrayDeque<>(); // in the order of their coming
  private final Client[] group = new Client[SLOTS]; // of the step under way
  private int groupSize;
  private boolean leading; // somebody gathers or runs a step
  private boolean stepWaits; // for its turn
  private boolean busy; // a step or a chunk is being computed
  private boolean chunksTurn; // the last was a step
  private long chunksCome;
  private long chunksBegun;
  private long stepNanos; // of the last step

  public Scheduler(Transformer model) {
    this.model = model;
  }

  public Transformer model() {
    return model;
  }

  /**
   * Begins to decode.
   *
   * @param w room for the caller's rows and logits
   * @param batch what each step is to run, filled by the caller
   * @param ids the tokens of its rows
   */
  public Client join(Workspace w, Batch batch, int[] ids) {
    Client client = new Client(w, batch, ids);
    synchronized (this) {
      clients.add(client);
    }
    return client;
  }

  private synchronized void leave(Client client) {
    clients.remove(client);
    notifyAll(); // a step need not wait for it
  }

  private void step(Client client) {
    boolean interrupted = false;
    Throwable failure = null; // of a step that was run here
    synchronized (this) {
      client.failure = null;
      client.state = State.WAITING;
      client.late = false;
      waiting.add(client);
      if (leading) {
        notifyAll(); // it may have been the last that was missing
      }
    }
    while (true) {
      synchronized (this) {
        while (client.state == State.RUNNING || (client.state == State.WAITING && leading)) {
          interrupted |= await(0);
        }
        if (client.state == State.AWAY) {
          break;
        }
        leading = true;
        interrupted |= gather();
        formGroup();
      }
      failure = null;
      long start = System.nanoTime();
      try {
        run();
      } catch (RuntimeException | Error e) {
        failure = e;
      }
      synchronized (this) {
        stepNanos = System.nanoTime() - start;
        for (int i = 0; i < groupSize; i++) {
          group[i].state = State.AWAY;
          group[i].failure = failure;
        }
        groupSize = 0;
        leading = false;
        busy = false;
        chunksTurn = true;
        notifyAll();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    Throwable failed = client.failure;
    if (failed != null) {
      if (failed.equals(failure) && failed instanceof RuntimeException here) {
        throw here;
      }
      throw new BackendException("a step that this answer shared failed: " + failed, failed);
    }
  }

  /** Waits for the step's turn, and a moment for those that are soon to come. */
  private boolean gather() {
    boolean interrupted = false;
    stepWaits = true;
    long start = 0;
    while (true) {
      if (busy || (chunksTurn && chunksCome > chunksBegun)) {
        interrupted |= await(0);
        continue;
      }
      if (!someMissing()) {
        break;
      }
      long now = System.nanoTime();
      start = start == 0 ? now : start;
      long left = start + Math.max(SHORTEST_WAIT, stepNanos / 4) - now;
      if (left <= 0) {
        break;
      }
      interrupted |= await(Math.max(1, left / 1_000_000));
    }
    stepWaits = false;
    busy = true;
    return interrupted;
  }

  private boolean someMissing() {
    for (int i = 0; i < clients.size(); i++) {
      if (clients.get(i).state == State.AWAY && !clients.get(i).late) {
        return true;
      }
    }
    return false;
  }

  /** Takes those that have waited longest, as many as fit. */
  private void formGroup() {
    for (int i = 0; i < clients.size(); i++) {
      clients.get(i).late = clients.get(i).state == State.AWAY;
    }
    int runs = 0;
    int rows = 0;
    while (!waiting.isEmpty()) {
      Client next = waiting.peek();
      runs += next.batch.runs();
      rows += next.batch.rows();
      if (groupSize > 0 && (runs > SLOTS || rows > sharedIds.length)) {
        return;
      }
      next.state = State.RUNNING;
      group[groupSize++] = next;
      waiting.remove();
    }
  }

  /** The step of the group. Nobody else touches what is in it meanwhile. */
  private void run() {
    if (groupSize == 1) {
      Client only = group[0];
      model.embed(only.ids, 0, only.batch.rows(), only.w);
      model.forward(only.batch, only.w);
      model.logitsOfLastRows(only.batch, only.w);
      return;
    }
    Workspace w = sharedWorkspace;
    if (w == null) {
      w = model.newWorkspace(sharedIds.length, SLOTS);
      sharedWorkspace = w;
    }
    shared.clear();
    for (int i = 0; i < groupSize; i++) {
      Batch own = group[i].batch;
      System.arraycopy(group[i].ids, 0, sharedIds, shared.rows(), own.rows());
      for (int run = 0; run < own.runs(); run++) {
        shared.add(own.cache(run), own.firstRow(run + 1) - own.firstRow(run));
      }
    }
    model.embed(sharedIds, 0, shared.rows(), w);
    model.forward(shared, w);
    model.logitsOfLastRows(shared, w);
    int at = 0;
    for (int i = 0; i < groupSize; i++) {
      int runs = group[i].batch.runs();
      model.backend().copyRows(w.logits, at, group[i].w.logits, 0, runs);
      at += runs;
    }
  }

  /**
   * Runs a piece of something longer, of at most {@link Transformer#CHUNK} rows, when it has its
   * turn.
   */
  public void inTurn(Runnable piece) {
    boolean interrupted = false;
    synchronized (this) {
      long number = chunksCome++;
      while (busy || number != chunksBegun || (stepWaits && !chunksTurn)) {
        interrupted |= await(0);
      }
      chunksBegun++;
      chunksTurn = false;
      busy = true;
    }
    try {
      piece.run();
    } finally {
      synchronized (this) {
        busy = false;
        notifyAll();
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Waits to be notified, for so many milliseconds at most (0: without limit); whether it was
   * interrupted. What is under way ends soon, and whoever called looks for interrupts then.
   */
  @SuppressWarnings("WaitNotInLoop") // its callers loop
  private synchronized boolean await(long millis) {
    try {
      wait(millis);
      return false;
    } catch (InterruptedException e) {
      return true;
    }
  }

  /** Frees its buffers; nobody may be decoding any more. */
  @Override
  public void close() {
    if (sharedWorkspace != null) {
      sharedWorkspace.close();
    }
  }
}
