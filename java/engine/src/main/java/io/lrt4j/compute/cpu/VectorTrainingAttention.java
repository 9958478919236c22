package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Gebp.STRIP;
import static io.lrt4j.compute.cpu.Gebp.WIDTH;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.TrainingBackend.Heads;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Attention over a packed batch, forward and back, as matrix products of small blocks: S = K Q^T, P
 * = softmax(S), O = P^T V; dP = V dO^T, dS = P (dP - colsum(P dP)), dQ = dS^T K, dK = dS Q, dV = P
 * dO. Keys run down and queries across, so that a query's maximum and sums stay in one lane. One
 * task is a family, a run and its children, with one key/value head: what children add to their
 * parent's gradient stays in one thread.
 */
final class VectorTrainingAttention {
  private final Workers workers;
  private final Room[] rooms; // of each worker

  // The operation under way.
  private CpuTensor qkv = VectorBackend.NONE;
  private @Nullable CpuTensor prefix;
  private PackedBatch batch = new PackedBatch();
  private Heads heads = new Heads(1, 1, 2);
  private int window;
  private int @Nullable [] wanted; // rows; queries and what comes of them are counted among these
  private CpuTensor out = VectorBackend.NONE;
  private CpuTensor logSumExp = VectorBackend.NONE;
  private CpuTensor dOut = VectorBackend.NONE;
  private CpuTensor dqkv = VectorBackend.NONE;
  private boolean back;
  private int[] families = {}; // their first runs
  private int[] nextChild = {}; // of each run: the next of the same parent; of a parent: its first

  VectorTrainingAttention(Workers workers) {
    this.workers = workers;
    rooms = new Room[workers.size()];
    Arrays.setAll(rooms, i -> new Room());
  }

  /**
   * One worker's arrays. A block is {@link Gebp#WIDTH} queries, all heads of a row side by side.
   */
  private static final class Room {
    float[] keys = {}; // [context, dim]
    float[] values = {};
    float[] keysDown = {}; // panels
    float[] valuesDown = {};
    float[] dKeys = {}; // [context, dim]
    float[] dValues = {};
    float[] queries = {}; // [block, dim], scaled
    float[] dOut = {};
    float[] queriesDown = {}; // panels
    float[] dOutDown = {};
    float[] queriesAcross = {}; // [dim, block]
    float[] dOutAcross = {};
    float[] mixed = {}; // [block, dim]
    float[] scores = {}; // [context, block]
    float[] dScores = {};
    final int[] ends =
        new int[WIDTH]; // of each query: how many keys come before it, itself included
    final float[] normalisers = new float[WIDTH]; // of each query
    final float[] sums = new float[WIDTH];
    final float[] tile = new float[STRIP * WIDTH];
    int capacity;
    int dim;
    boolean back; // whether it has ever been needed for that

    void ensure(int context, int dim, boolean back) {
      if (capacity >= context && this.dim == dim && (this.back || !back)) {
        return;
      }
      this.back |= back;
      capacity = Math.max(Math.ceilDiv(context, STRIP) * STRIP, capacity);
      this.dim = dim;
      keys = new float[capacity * dim];
      values = new float[capacity * dim];
      queries = new float[WIDTH * dim];
      queriesAcross = new float[dim * WIDTH];
      mixed = new float[WIDTH * dim];
      scores = new float[(capacity + STRIP) * WIDTH];
      // A panel as wide as a head is the matrix itself.
      boolean same = dim == WIDTH;
      if (this.back) {
        keysDown = same ? keys : new float[Gebp.panelSize(capacity, dim)];
        dKeys = new float[capacity * dim];
        dValues = new float[capacity * dim];
        dOut = new float[WIDTH * dim];
        dOutAcross = new float[dim * WIDTH];
        queriesDown = same ? queries : new float[Gebp.panelSize(WIDTH, dim)];
        dOutDown = same ? dOut : new float[Gebp.panelSize(WIDTH, dim)];
        dScores = new float[(capacity + STRIP) * WIDTH];
      }
      valuesDown = same ? values : new float[Gebp.panelSize(capacity, dim)];
    }
  }

  void forward(
      CpuTensor qkv,
      @Nullable CpuTensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      CpuTensor out,
      CpuTensor logSumExp) {
    back = false;
    this.out = out;
    begin(qkv, prefix, batch, heads, window, wanted, logSumExp);
  }

  void backward(
      CpuTensor dOut,
      CpuTensor qkv,
      @Nullable CpuTensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      CpuTensor logSumExp,
      CpuTensor dqkv) {
    back = true;
    this.dOut = dOut;
    this.dqkv = dqkv;
    begin(qkv, prefix, batch, heads, window, wanted, logSumExp);
  }

  private void begin(
      CpuTensor qkv,
      @Nullable CpuTensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      CpuTensor logSumExp) {
    this.qkv = qkv;
    this.prefix = prefix;
    this.batch = batch;
    this.heads = heads;
    this.window = window;
    this.wanted = wanted;
    this.logSumExp = logSumExp;
    int runs = batch.runs();
    if (families.length < runs) {
      families = new int[runs];
      nextChild = new int[runs];
    }
    int count = 0;
    Arrays.fill(nextChild, 0, runs, -1);
    for (int run = runs - 1; run >= 0; run--) {
      int parent = batch.parent(run);
      if (parent >= 0) {
        nextChild[run] = nextChild[parent];
        nextChild[parent] = run;
      } else {
        families[count++] = run;
      }
    }
    workers.run(this::family, count * heads.kvHeads());
  }

  private void family(int task, int worker) {
    int run = families[task / heads.kvHeads()];
    int kvHead = task % heads.kvHeads();
    Room room = rooms[worker];
    int dim = heads.headDim();
    int before = batch.prefixRows(run);
    int shared = before + batch.length(run);
    int most = shared;
    for (int child = nextChild[run]; child >= 0; child = nextChild[child]) {
      most = Math.max(most, shared + batch.length(child));
    }
    room.ensure(most, dim, back);
    if (before > 0 && prefix != null) {
      context(room, prefix, batch.prefixFrom(run), 0, before, kvHead);
    }
    context(room, qkv, batch.firstRow(run), before, batch.length(run), kvHead);
    attend(room, run, before, kvHead);
    for (int child = nextChild[run]; child >= 0; child = nextChild[child]) {
      int length = batch.length(child);
      context(room, qkv, batch.firstRow(child), shared, length, kvHead);
      attend(room, child, shared, kvHead);
      if (back) {
        keep(room, batch.firstRow(child), shared, length, kvHead);
      }
    }
    if (back) {
      keep(room, batch.firstRow(run), before, batch.length(run), kvHead);
    }
  }

  /** Byte offset of a head's columns in a row. */
  private long column(CpuTensor x, int row, int head) {
    return x.row(row) + 4L * head * heads.headDim();
  }

  /** Takes keys and values of some rows into the context; their gradients are 0 so far. */
  private void context(Room room, CpuTensor from, int row, int at, int rows, int kvHead) {
    int dim = heads.headDim();
    int key = heads.heads() + kvHead;
    int value = key + heads.kvHeads();
    for (int i = 0; i < rows; i++) {
      int to = (at + i) * dim;
      MemorySegment.copy(from.data(), FLOAT, column(from, row + i, key), room.keys, to, dim);
      MemorySegment.copy(from.data(), FLOAT, column(from, row + i, value), room.values, to, dim);
    }
    int end = at + rows;
    if (back) {
      packDown(room.keys, at, end, room.capacity, dim, room.keysDown);
      Arrays.fill(room.dKeys, at * dim, end * dim, 0);
      Arrays.fill(room.dValues, at * dim, end * dim, 0);
    } else {
      packDown(room.values, at, end, room.capacity, dim, room.valuesDown);
    }
  }

  private static void packDown(float[] from, int at, int end, int rows, int dim, float[] panels) {
    if (dim != WIDTH) { // else they are the same
      Gebp.pack(from, at, end, rows, dim, panels);
    }
  }

  /** Writes the gradients of keys and values of some rows. */
  private void keep(Room room, int row, int at, int rows, int kvHead) {
    int dim = heads.headDim();
    int key = heads.heads() + kvHead;
    int value = key + heads.kvHeads();
    for (int i = 0; i < rows; i++) {
      int from = (at + i) * dim;
      MemorySegment.copy(room.dKeys, from, dqkv.data(), FLOAT, column(dqkv, row + i, key), dim);
      MemorySegment.copy(room.dValues, from, dqkv.data(), FLOAT, column(dqkv, row + i, value), dim);
    }
  }

  /** All query heads of a key/value head, for the rows of one run, {@code before} positions on. */
  private void attend(Room room, int run, int before, int kvHead) {
    int group = heads.heads() / heads.kvHeads();
    int begin = batch.firstRow(run);
    int end = batch.firstRow(run + 1);
    if (wanted != null && back) {
      forget(begin, end, kvHead);
    }
    // Places among all heads of all wanted rows.
    int last = place(end) * group;
    for (int at = place(begin) * group; at < last; at += WIDTH) {
      int count = Math.min(WIDTH, last - at);
      for (int q = 0; q < count; q++) {
        room.ends[q] = before + row((at + q) / group) - begin + 1;
      }
      if (back) {
        blockBackward(room, at, count, batch.prefixRows(run), kvHead);
      } else {
        blockForward(room, at, count, kvHead);
      }
    }
  }

  /** How many of the wanted rows come before a row. */
  private int place(int row) {
    if (wanted == null) {
      return row;
    }
    int at = Arrays.binarySearch(wanted, row);
    return at < 0 ? -1 - at : at;
  }

  private int row(int place) {
    return wanted == null ? place : wanted[place];
  }

  /** Sets the gradients of some rows' queries to 0. */
  private void forget(int begin, int end, int kvHead) {
    int group = heads.heads() / heads.kvHeads();
    for (int row = begin; row < end; row++) {
      long column = column(dqkv, row, kvHead * group);
      dqkv.data().asSlice(column, 4L * group * heads.headDim()).fill((byte) 0);
    }
  }

  /**
   * Copies the queries' columns, of as many heads at once as lie side by side.
   *
   * @param all whether the tensor holds all rows, or the wanted ones
   */
  private void load(CpuTensor from, boolean all, int at, int count, int kvHead, float[] to) {
    int dim = heads.headDim();
    int group = heads.heads() / heads.kvHeads();
    for (int q = 0; q < count; ) {
      int head = (at + q) % group;
      int n = Math.min(group - head, count - q);
      int place = (at + q) / group;
      long column = column(from, all ? row(place) : place, kvHead * group + head);
      MemorySegment.copy(from.data(), FLOAT, column, to, q * dim, n * dim);
      q += n;
    }
  }

  private void store(float[] from, CpuTensor to, boolean all, int at, int count, int kvHead) {
    int dim = heads.headDim();
    int group = heads.heads() / heads.kvHeads();
    for (int q = 0; q < count; ) {
      int head = (at + q) % group;
      int n = Math.min(group - head, count - q);
      int place = (at + q) / group;
      long column = column(to, all ? row(place) : place, kvHead * group + head);
      MemorySegment.copy(from, q * dim, to.data(), FLOAT, column, n * dim);
      q += n;
    }
  }

  /** The block's scaled queries, and their scores with all keys that one of them sees. */
  private int scores(Room room, int at, int count, int kvHead) {
    int dim = heads.headDim();
    load(qkv, true, at, count, kvHead, room.queries);
    multiply(room.queries, 0, count * dim, (float) (1 / Math.sqrt(dim)));
    Gebp.packTransposed(room.queries, 0, count, dim, room.queriesAcross, 0);
    int visible = room.ends[count - 1];
    across(room, room.keys, visible, room.queriesAcross, room.scores);
    // Queries stand in the order of their rows: the first ones do not see a late key, and behind a
    // window the last ones do not see an early one.
    int blind = 0;
    for (int key = room.ends[0]; key < visible; key++) {
      while (room.ends[blind] <= key) {
        blind++;
      }
      int row = key * WIDTH;
      Arrays.fill(room.scores, row, row + blind, Float.NEGATIVE_INFINITY);
    }
    int sees = 0;
    for (int key = 0; key < visible - window; key++) {
      while (room.ends[sees] - window <= key) {
        sees++;
      }
      int row = key * WIDTH;
      Arrays.fill(room.scores, row + sees, row + count, Float.NEGATIVE_INFINITY);
    }
    return visible;
  }

  /** product = rows panel, [context, block]. */
  private void across(Room room, float[] rows, int count, float[] panel, float[] product) {
    int dim = heads.headDim();
    Gebp.multiply(rows, 0, dim, count, panel, dim, dim, WIDTH, false, product, 0, WIDTH, room.tile);
  }

  private void blockForward(Room room, int at, int count, int kvHead) {
    int dim = heads.headDim();
    int group = heads.heads() / heads.kvHeads();
    int visible = scores(room, at, count, kvHead);
    for (int q = 0; q < WIDTH; q += N) {
      softmax(room.scores, q, visible, room.normalisers, room.sums);
    }
    for (int q = 0; q < count; q += STRIP) {
      int rows = Math.min(STRIP, count - q);
      Gebp.multiplyTransposed(
          room.scores,
          q,
          rows,
          room.valuesDown,
          room.capacity,
          room.ends[q + rows - 1],
          dim,
          room.mixed,
          q * dim,
          room.tile);
    }
    for (int q = 0; q < count; q++) {
      float sum = room.sums[q];
      multiply(room.mixed, q * dim, dim, 1 / sum);
      float normaliser = (float) (room.normalisers[q] + Math.log(sum));
      logSumExp.set((at + q) / group, kvHead * group + (at + q) % group, normaliser);
    }
    store(room.mixed, out, false, at, count, kvHead);
  }

  private void blockBackward(Room room, int at, int count, int prefixRows, int kvHead) {
    int dim = heads.headDim();
    int group = heads.heads() / heads.kvHeads();
    int visible = scores(room, at, count, kvHead);
    load(dOut, false, at, count, kvHead, room.dOut);
    Gebp.packTransposed(room.dOut, 0, count, dim, room.dOutAcross, 0);
    across(room, room.values, visible, room.dOutAcross, room.dScores);
    for (int q = 0; q < count; q++) {
      room.normalisers[q] = logSumExp.get((at + q) / group, kvHead * group + (at + q) % group);
    }
    for (int q = 0; q < WIDTH; q += N) {
      scoreGradient(room.scores, room.dScores, q, visible, room.normalisers);
    }
    packDown(room.dOut, 0, count, WIDTH, dim, room.dOutDown);
    down(room, room.scores, prefixRows, visible, count, room.dOutDown, room.dValues);
    packDown(room.queries, 0, count, WIDTH, dim, room.queriesDown);
    down(room, room.dScores, prefixRows, visible, count, room.queriesDown, room.dKeys);
    for (int q = 0; q < count; q += STRIP) {
      int rows = Math.min(STRIP, count - q);
      Gebp.multiplyTransposed(
          room.dScores,
          q,
          rows,
          room.keysDown,
          room.capacity,
          room.ends[q + rows - 1],
          dim,
          room.mixed,
          q * dim,
          room.tile);
    }
    multiply(room.mixed, 0, count * dim, (float) (1 / Math.sqrt(dim)));
    store(room.mixed, dqkv, true, at, count, kvHead);
  }

  /** sum[key, :] += scores[key, :] panels, for some keys. */
  private void down(
      Room room, float[] scores, int from, int to, int count, float[] panels, float[] sum) {
    int dim = heads.headDim();
    Gebp.multiply(
        scores,
        from * WIDTH,
        WIDTH,
        to - from,
        panels,
        WIDTH,
        count,
        dim,
        true,
        sum,
        from * dim,
        dim,
        room.tile);
  }

  private static void multiply(float[] x, int at, int n, float factor) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, x, at + c).mul(factor).intoArray(x, at + c);
    }
    for (int c = body; c < n; c++) {
      x[at + c] *= factor;
    }
  }

  /** x = exp(x - largest) of N queries, in place, and their largest score and sum. */
  private static void softmax(float[] x, int query, int keys, float[] largest, float[] sums) {
    int end = query + keys * WIDTH;
    FloatVector max = FloatVector.fromArray(F, x, query);
    for (int at = query; at < end; at += WIDTH) {
      max = max.max(FloatVector.fromArray(F, x, at));
    }
    FloatVector sum = FloatVector.zero(F);
    for (int at = query; at < end; at += WIDTH) {
      FloatVector e = Lanes.exp(FloatVector.fromArray(F, x, at).sub(max));
      e.intoArray(x, at);
      sum = sum.add(e);
    }
    max.intoArray(largest, query);
    sum.intoArray(sums, query);
  }

  /**
   * P = exp(scores - normaliser) and dScores = P (dP - sum(P dP)) of N queries, in place. That sum
   * is also the one of dOut out.
   */
  private static void scoreGradient(
      float[] p, float[] dp, int query, int keys, float[] normalisers) {
    int end = query + keys * WIDTH;
    FloatVector normaliser = FloatVector.fromArray(F, normalisers, query);
    FloatVector sum = FloatVector.zero(F);
    for (int at = query; at < end; at += WIDTH) {
      FloatVector e = Lanes.exp(FloatVector.fromArray(F, p, at).sub(normaliser));
      e.intoArray(p, at);
      sum = e.fma(FloatVector.fromArray(F, dp, at), sum);
    }
    for (int at = query; at < end; at += WIDTH) {
      FloatVector.fromArray(F, dp, at)
          .sub(sum)
          .mul(FloatVector.fromArray(F, p, at))
          .intoArray(dp, at);
    }
  }
}
