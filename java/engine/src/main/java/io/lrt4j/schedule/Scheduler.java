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

  /** Questions that are read in one step. */
  private static final int READERS = 8;

  private static final long SHORTEST_WAIT = 1_000_000; // ns

  private static final int[] NO_IDS = {};
  private static final LogitSummary[] NONE = {};

  private enum State {
    /** With its caller, who is busy with what the last step gave. */
    AWAY,
    WAITING,
    RUNNING
  }

  /** What all who want something of one model have in common. */
  private static final class Lane {
    final Transformer model;
    final List<Client> clients = new ArrayList<>(); // guarded by the scheduler
    final Batch shared = new Batch(SLOTS + READERS);
    final int[] ids = new int[Transformer.CHUNK];
    final LogitSummary[] summaries = LogitSummary.array(SLOTS);
    @Nullable Workspace workspace; // made for the first step that is shared

    Lane(Transformer model) {
      this.model = model;
    }
  }

  /** One caller's part in the steps of a model: sequences that decode, or rows that are read. */
  public final class Client implements AutoCloseable {
    private final @Nullable Lane lane; // null: any computation, that shares nothing
    private final @Nullable Runnable piece; // that computation
    private final @Nullable Workspace w;
    private final @Nullable Batch batch; // of what decodes, or of what is read next
    private final int[] ids; // of what decodes
    private final LogitSummary[] summaries; // of what follows it; empty if not wanted
    private final boolean logits; // whether they are wanted
    private final @Nullable Rows input; // what is read; null if something decodes
    private final @Nullable KvCache cache; // where to
    private final @Nullable Cutoff cutoff; // null: it is wanted whatever happens
    private int done; // rows that have been read
    private int left; // and those that have not
    private int rows; // in the step under way

    private volatile State state = State.AWAY; // changed under the scheduler's lock
    private boolean late; // made a step wait in vain
    private boolean calledOff; // while it waited
    private @Nullable Thread thread; // that waits
    private volatile boolean interrupted; // that was
    private @Nullable Throwable failure;

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
    private boolean ends() {
      return input != null && input.logits() && rows == left;
    }

    /** Its caller wants nothing more. */
    @Override
    public void close() {
      leave(this);
    }

    private Lane lane() {
      return Objects.requireNonNull(lane);
    }

    private Workspace w() {
      return Objects.requireNonNull(w);
    }

    private Batch batch() {
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

  // The step under way: the leader's alone.
  private final Client[] group = new Client[SLOTS + READERS];
  private int groupSize;
  private int decoding; // of them, those that decode: the first

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
          formGroup(lane);
          break;
        }
      }
      LockSupport.parkNanos(this, left);
      client.interrupted |= Thread.interrupted();
    }
    long start = System.nanoTime();
    Throwable failure = null;
    try {
      compute();
    } catch (RuntimeException | Error e) {
      failure = e;
    }
    synchronized (this) {
      stepNanos = System.nanoTime() - start;
      for (int i = 0; i < groupSize; i++) {
        end(group[i], client, failure);
      }
    }
    // Outside of the lock, which they want next.
    for (int i = 0; i < groupSize; i++) {
      if (!group[i].equals(client)) {
        LockSupport.unpark(group[i].thread);
      }
    }
    synchronized (this) {
      groupSize = 0;
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
          groupSize == 1 || member.equals(leader)
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

  /** Those that decode, as many as fit, and beside them some of what is to be read. */
  private void formGroup(@Nullable Lane lane) {
    if (lane == null) {
      enlist(waiting.getFirst(), 0);
      waiting.removeFirst();
      decoding = 0;
      return;
    }
    for (int i = 0; i < lane.clients.size(); i++) {
      lane.clients.get(i).late = lane.clients.get(i).state == State.AWAY;
    }
    int heads = 0;
    int rows = 0;
    for (int i = 0; i < waiting.size(); i++) {
      Client next = waiting.get(i);
      if (!lane.equals(next.lane) || next.input != null) {
        continue;
      }
      int more = next.batch().rows();
      int wanted = next.batch().wantedRows();
      if (groupSize > 0 && (heads + wanted > SLOTS || rows + more > lane.ids.length)) {
        break;
      }
      heads += wanted;
      rows += more;
      enlist(next, 0);
    }
    decoding = groupSize;
    int room = lane.ids.length - rows;
    addReaders(lane, rows == 0 ? room : Math.min(room, READ_BESIDE));
    keepWaiting();
  }

  /** Shares {@code room} rows among what is to be read; what one does not need others get. */
  private void addReaders(Lane lane, int room) {
    int first = groupSize;
    for (int i = 0; i < waiting.size() && groupSize < first + READERS; i++) {
      Client next = waiting.get(i);
      if (lane.equals(next.lane) && next.input != null && groupSize - first < room) {
        enlist(next, 0);
      }
    }
    for (int left = groupSize - first; left > 0 && room > 0; ) {
      int share = Math.max(1, room / left);
      left = 0;
      for (int i = first; i < groupSize && room > 0; i++) {
        Client reader = group[i];
        int more = Math.min(share, Math.min(room, reader.left - reader.rows));
        reader.rows += more;
        room -= more;
        left += reader.rows < reader.left ? 1 : 0;
      }
    }
    int others = 0; // that are not read to their ends
    for (int i = first; i < groupSize; i++) {
      others += group[i].rows < group[i].left ? 1 : 0;
    }
    for (int i = first; i < groupSize && others < groupSize - first; i++) {
      if (group[i].rows < group[i].left) {
        group[i].rows = Math.min(group[i].rows, READ_BESIDE / others);
      }
    }
  }

  private void enlist(Client client, int rows) {
    client.state = State.RUNNING;
    client.rows = rows;
    group[groupSize++] = client;
  }

  /** The step of the group. Nobody else touches what is in it meanwhile. */
  private void compute() {
    Client first = group[0];
    if (first.piece != null) {
      first.piece.run();
    } else if (groupSize > 1) {
      together(first.lane());
    } else if (first.input == null) {
      Transformer model = first.lane().model;
      model.embed(first.ids, 0, first.batch().rows(), first.w().x);
      model.forward(first.batch(), first.w());
      model.logitsOfWantedRows(first.batch(), first.w());
      if (first.summaries.length > 0) {
        int wanted = first.batch().wantedRows();
        model.backend().summarize(first.w().logits, 0, wanted, first.summaries);
      }
    } else {
      Workspace w = first.w();
      first.input.write(w.x, 0, first.done, first.rows);
      int wanted = first.input.wanted(first.done, first.rows);
      Batch batch = first.batch().clear();
      batch.read(Objects.requireNonNull(first.cache), first.rows, wanted);
      first.lane().model.forward(batch, w);
      first.input.take(w.hidden, 0, first.done + first.rows - wanted, wanted);
      if (first.ends()) {
        first.lane().model.logitsOfLastRows(batch, w);
      }
    }
  }

  private void together(Lane lane) {
    Transformer model = lane.model;
    Workspace w = lane.workspace;
    if (w == null) {
      w = model.newWorkspace(lane.ids.length, SLOTS + READERS);
      lane.workspace = w;
    }
    Batch shared = lane.shared.clear();
    for (int i = 0; i < decoding; i++) {
      Batch own = group[i].batch();
      System.arraycopy(group[i].ids, 0, lane.ids, shared.rows(), own.rows());
      for (int run = 0; run < own.runs(); run++) {
        shared.add(own.cache(run), own.firstRow(run + 1) - own.firstRow(run), own.wanted(run));
      }
    }
    int sequences = shared.runs();
    if (sequences > 0) {
      model.embed(lane.ids, 0, shared.rows(), w.x);
    }
    for (int i = decoding; i < groupSize; i++) {
      Client reader = group[i];
      Rows input = Objects.requireNonNull(reader.input);
      input.write(w.x, shared.rows(), reader.done, reader.rows);
      int wanted = input.wanted(reader.done, reader.rows);
      shared.read(Objects.requireNonNull(reader.cache), reader.rows, wanted);
    }
    model.forward(shared, w);
    Batch wantedRows = shared.wanted();
    int decoded = wantedRows.firstRow(sequences); // rows whose logits go to those who decode
    if (decoded > 0) {
      model.backend().copyRows(w.hidden, 0, w.headInput, 0, decoded);
    }
    int heads = decoded;
    for (int i = decoding; i < groupSize; i++) {
      if (group[i].ends()) {
        model.toHead(wantedRows, sequences + i - decoding, heads++, w);
      }
    }
    if (heads > 0) {
      model.logits(heads, w);
    }
    handOut(lane, w, decoded);
    int head = decoded;
    for (int i = decoding; i < groupSize; i++) {
      Client reader = group[i];
      int run = sequences + i - decoding;
      int wanted = shared.wanted(run);
      Objects.requireNonNull(reader.input)
          .take(w.hidden, wantedRows.firstRow(run), reader.done + reader.rows - wanted, wanted);
      if (reader.ends()) {
        model.backend().copyRows(w.logits, head++, reader.w().logits, 0, 1);
      }
    }
  }

  /** Gives everybody who decodes what he wants of the logits of {@code rows} rows. */
  private void handOut(Lane lane, Workspace w, int rows) {
    boolean summed = false;
    for (int i = 0; i < decoding; i++) {
      summed |= group[i].summaries.length > 0;
    }
    if (summed) {
      lane.model.backend().summarize(w.logits, 0, rows, lane.summaries);
    }
    int at = 0;
    for (int i = 0; i < decoding; i++) {
      Client client = group[i];
      int own = client.batch().wantedRows();
      for (int row = 0; row < own && client.summaries.length > 0; row++) {
        client.summaries[row].set(lane.summaries[at + row]);
      }
      if (client.logits) {
        lane.model.backend().copyRows(w.logits, at, client.w().logits, 0, own);
      }
      at += own;
    }
  }

  /** Frees its buffers; nobody may be decoding any more. */
  @Override
  public synchronized void close() {
    Closing.each(
        lanes,
        lane -> {
          Workspace workspace = lane.workspace;
          lane.workspace = null;
          if (workspace != null) {
            workspace.close();
          }
        });
  }
}
