package io.lrt4j.schedule;

import io.lrt4j.BackendException;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Shares an engine's models among all its callers. Whoever wants something computed hands it in and
 * waits; one of those who wait leads: it runs a step with the rows of all of them, so that weights
 * are read once for them together, and hands on the lead when its own are done. There is no thread
 * of its own: a caller alone runs its steps itself, at once.
 *
 * <p>A step belongs to one model: the base model or a reasoning network. Rows that decode go first;
 * beside them questions (latents, a network's input) are read, no more than {@link #READ_BESIDE}
 * rows at a time, so that a long question holds up those who are decoding by no more than that, and
 * shares them evenly with other questions, so that a short one does not wait for a long one: a step
 * that reads one to its end has no more than {@link #READ_BESIDE} rows of those that it does not,
 * and reads the head for it as for those that decode. Whose client has waited longest chooses the
 * model; single pieces of work, which are short, come first. As a row's result does not depend on
 * what is computed with it, an answer in company is the answer alone, bit for bit.
 *
 * <p>A step waits a moment for callers that are still busy with their last one, but not again for
 * one that made it wait in vain, until that one comes back, and for whoever has just been read to
 * his end. Whoever is called off while he waits has no part in another step. Steps allocate
 * nothing.
 */
public final class Scheduler implements AutoCloseable {
  /** Sequences that decode in one step. */
  public static final int SLOTS = 64;

  /** Rows that are read in a step in which somebody decodes, or is about to. */
  public static final int READ_BESIDE = 64;

  private static final long SHORTEST_WAIT = 1_000_000; // ns

  private static final int[] NO_IDS = {};
  private static final LogitSummary[] NONE = {};

  enum State {
    /** With its caller, who is busy with what the last step gave. */
    AWAY,
    WAITING,
    RUNNING
  }

  /** One caller's part in the steps of a model: sequences that decode, or rows that are read. */
  public final class Client implements AutoCloseable {
    final @Nullable Lane lane; // null: any computation, that shares nothing
    final @Nullable Runnable piece; // that computation
    final @Nullable Workspace w;
    final @Nullable Batch batch; // of what decodes, or of what is read next
    final int[] ids; // of what decodes
    final LogitSummary[] summaries; // of what follows it; empty if not wanted
    final boolean logits; // whether they are wanted
    final @Nullable Rows input; // what is read; null if something decodes
    final @Nullable KvCache cache; // where to
    final @Nullable Cutoff cutoff; // null: it is wanted whatever happens
    int done; // rows that have been read
    int left; // and those that have not
    int rows; // in the step under way

    volatile State state = State.AWAY; // changed under the scheduler's lock
    boolean late; // made a step wait in vain
    boolean calledOff; // while it waited
    @Nullable Thread thread; // that waits
    volatile boolean interrupted; // that was
    @Nullable Throwable failure;

    private Client(
        @Nullable Lane lane,
        @Nullable Runnable piece,
        @Nullable Workspace w,
        @Nullable Batch batch,
        int[] ids,
        LogitSummary[] summaries,
        boolean logits,
        @Nullable KvCache cache,
        @Nullable Rows input,
        @Nullable Cutoff cutoff) {
      this.lane = lane;
      this.piece = piece;
      this.w = w;
      this.batch = batch;
      this.ids = ids;
      this.summaries = summaries;
      this.logits = logits;
      this.cache = cache;
      this.input = input;
      this.cutoff = cutoff;
    }

    /**
     * One step: appends the batch's rows to its caches, and leaves what follows each of the wanted
     * ones, in the order of the batch, in the summaries, and in the workspace's logits if they are
     * wanted.
     *
     * @return whether it was run; if not, it was called off
     */
    public boolean step() {
      return Scheduler.this.run(this);
    }

    /** How many callers decode, or read, with this model; this one is among them. */
    public int company() {
      return Scheduler.this.company(lane());
    }

    /** Whether the step under way reads it to its end, and what follows is wanted. */
    boolean ends() {
      return input != null && input.logits() && rows == left;
    }

    /** Its caller wants nothing more. */
    @Override
    public void close() {
      leave(this);
    }

    Lane lane() {
      return Objects.requireNonNull(lane);
    }

    Workspace w() {
      return Objects.requireNonNull(w);
    }

    Batch batch() {
      return Objects.requireNonNull(batch);
    }
  }

  private final Transformer model;

  // All of what follows is guarded by this.
  private final List<Lane> lanes = new ArrayList<>();
  private final List<Client> waiting = new ArrayList<>(); // in the order of their coming
  private volatile @Nullable Client leader;
  private long stepNanos; // of the last step
  private boolean expected; // somebody was read to his end, and comes for what follows from it
  private long expectedUntil; // System.nanoTime

  private final Step step = new Step(); // the one under way: once formed, the leader's alone

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
   * @param summaries receive those of the logits; empty if they are not wanted
   * @param logits whether the logits themselves are
   * @param cutoff ends it; null if nothing does
   */
  public Client join(
      Workspace w,
      Batch batch,
      int[] ids,
      LogitSummary[] summaries,
      boolean logits,
      @Nullable Cutoff cutoff) {
    return join(
        new Client(lane(model), null, w, batch, ids, summaries, logits, null, null, cutoff));
  }

  private synchronized Client join(Client client) {
    client.lane().clients.add(client);
    expected = false; // from now on it is one that is missing, until it comes
    return client;
  }

  private synchronized Lane lane(Transformer model) {
    for (Lane lane : lanes) {
      if (lane.model == model) {
        return lane;
      }
    }
    Lane lane = new Lane(model);
    lanes.add(lane);
    return lane;
  }

  private synchronized int company(Lane lane) {
    return lane.clients.size();
  }

  private synchronized void leave(Client client) {
    client.lane().clients.remove(client);
    if (client.input != null && client.left == 0) {
      expected = true;
      expectedUntil = System.nanoTime() + Math.min(SHORTEST_WAIT, stepNanos / 4);
    }
    wakeLeader(client.lane); // a step need not wait for it
  }

  /** Turns between the steps of others, until {@code cutoff} ends it; null if nothing does. */
  public Turn turn(@Nullable Cutoff cutoff) {
    return new Turn() {
      @Override
      public boolean take(Runnable piece) {
        return run(new Client(null, piece, null, null, NO_IDS, NONE, false, null, null, cutoff));
      }

      @Override
      public boolean read(Transformer model, Workspace w, KvCache cache, int n, Rows input) {
        return Scheduler.this.read(model, w, cache, n, input, cutoff);
      }
    };
  }

  private boolean read(
      Transformer model, Workspace w, KvCache cache, int n, Rows input, @Nullable Cutoff cutoff) {
    Client client =
        new Client(lane(model), null, w, new Batch(1), NO_IDS, NONE, false, cache, input, cutoff);
    client.left = n;
    try (Client _ = join(client)) {
      while (client.left > 0) {
        if (cutoff != null && cutoff.isReached()) {
          return false;
        }
        // Here, where a lack of memory is this caller's alone.
        cache.reserve(Math.min(client.left, Transformer.CHUNK));
        if (!run(client)) {
          return false;
        }
      }
    }
    return true;
  }

  /**
   * Waits until the client's rows (of what is read, some of them) have been through a step; false
   * if it was called off before they were.
   */
  private boolean run(Client client) {
    synchronized (this) {
      client.thread = Thread.currentThread();
      client.interrupted = client.thread.isInterrupted();
      client.calledOff = false;
      client.failure = null;
      client.late = false;
      client.state = State.WAITING;
      waiting.add(client.piece == null ? waiting.size() : 0, client);
      if (leader == null) {
        leader = client;
      } else {
        wakeLeader(client.lane);
      }
    }
    while (client.state != State.AWAY) {
      if (client.equals(leader)) {
        lead(client);
      } else {
        LockSupport.park(this);
        client.interrupted |= Thread.interrupted(); // or it could not park again
      }
    }
    if (client.interrupted) {
      Thread.currentThread().interrupt();
    }
    switch (client.failure) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable e -> throw new IllegalStateException(e);
    }
    return !client.calledOff;
  }

  /** A step may no longer have to wait for somebody of the lane; null: for nobody at all. */
  private void wakeLeader(@Nullable Lane lane) {
    Client client = leader;
    if (client != null && (lane == null || !someMissing(lane))) {
      LockSupport.unpark(client.thread);
    }
  }

  /** Runs one step, unless the leader is called off, and hands on the lead if it is done. */
  private void lead(Client client) {
    long begun = 0;
    while (true) {
      long left = 0;
      synchronized (this) {
        dismiss();
        if (client.state == State.AWAY) {
          handOn();
          return;
        }
        Lane lane = waiting.getFirst().lane;
        if (lane != null && someMissing(lane)) {
          long now = System.nanoTime();
          begun = begun == 0 ? now : begun;
          left = begun + Math.max(SHORTEST_WAIT, stepNanos / 4) - now;
        } else if (lane != null && expected) {
          left = expectedUntil - System.nanoTime();
        }
        if (left <= 0) {
          expected = false;
          formStep(lane);
          break;
        }
      }
      LockSupport.parkNanos(this, left);
      client.interrupted |= Thread.interrupted();
    }
    long start = System.nanoTime();
    Throwable failure = null;
    try {
      step.run();
    } catch (RuntimeException | Error e) {
      failure = e;
    }
    synchronized (this) {
      stepNanos = System.nanoTime() - start;
      for (int i = 0; i < step.size(); i++) {
        end(step.member(i), client, failure);
      }
    }
    // Outside of the lock, which they want next.
    for (int i = 0; i < step.size(); i++) {
      if (!step.member(i).equals(client)) {
        LockSupport.unpark(step.member(i).thread);
      }
    }
    synchronized (this) {
      step.clear();
      if (client.state == State.AWAY) {
        handOn();
      }
    }
  }

  private void handOn() {
    leader = waiting.isEmpty() ? null : waiting.getFirst();
    wakeLeader(null);
  }

  /** Those who have been called off need not wait for their turn. */
  private void dismiss() {
    for (int i = 0; i < waiting.size(); i++) {
      Client client = waiting.get(i);
      Thread thread = Objects.requireNonNull(client.thread);
      boolean interrupted = client.interrupted || thread.isInterrupted();
      if (client.cutoff != null && client.cutoff.reached(interrupted) != null) {
        client.calledOff = true;
        client.state = State.AWAY;
        LockSupport.unpark(thread);
      }
    }
    keepWaiting();
  }

  /** Takes those out of the line who no longer wait. */
  private void keepWaiting() {
    int kept = 0;
    for (int i = 0; i < waiting.size(); i++) {
      if (waiting.get(i).state == State.WAITING) {
        waiting.set(kept++, waiting.get(i));
      }
    }
    while (waiting.size() > kept) {
      waiting.removeLast();
    }
  }

  private void end(Client member, Client leader, @Nullable Throwable failure) {
    if (failure == null) {
      member.done += member.rows;
      member.left -= member.rows;
    } else {
      member.failure =
          step.size() == 1 || member.equals(leader)
              ? failure
              : new BackendException("a step that this answer shared failed: " + failure, failure);
    }
    member.state = State.AWAY;
  }

  private static boolean someMissing(Lane lane) {
    for (int i = 0; i < lane.clients.size(); i++) {
      Client client = lane.clients.get(i);
      if (client.state == State.AWAY && !client.late) {
        return true;
      }
    }
    return false;
  }

  /** Of those who wait; whoever of the lane is away has made the step wait in vain. */
  private void formStep(@Nullable Lane lane) {
    if (lane == null) {
      step.form(waiting.getFirst());
    } else {
      for (int i = 0; i < lane.clients.size(); i++) {
        lane.clients.get(i).late = lane.clients.get(i).state == State.AWAY;
      }
      step.form(lane, waiting);
    }
    keepWaiting();
  }

  /** Frees its buffers; nobody may be decoding any more. */
  @Override
  public synchronized void close() {
    Closing.each(lanes, Lane::close);
  }
}
