package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.TrainingBackend.Heads;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Attention over a packed batch, forward and back, as matrix products of small blocks: S = Q K^T, P
 * = softmax(S), O = P V; dP = dO V^T, dS = P (dP - rowsum(dO O)), dQ = dS K, dK = dS^T Q, dV = P^T
 * dO. One task is a family, a run and its children, with one key/value head: what children add to
 * their parent's gradient stays in one thread.
 */
final class VectorTrainingAttention {
  /** Query rows at a time. */
  private static final int BLOCK = 32;

  private final Workers workers;
  private final Room[] rooms; // of each worker

  // The operation under way.
  private CpuTensor qkv = VectorBackend.NONE;
  private @Nullable CpuTensor prefix;
  private PackedBatch batch = new PackedBatch();
  private Heads heads = new Heads(1, 1, 2);
  private int window;
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

  /** One worker's arrays. */
  private static final class Room {
    float[] keys = {}; // [context, dim]
    float[] values = {};
    float[] keysAcross = {}; // panels of K^T
    float[] valuesDown = {}; // panels of V
    float[] keysDown = {}; // panels of K
    float[] valuesAcross = {}; // panels of V^T
    float[] dKeys = {};
    float[] dValues = {};
    float[] queries = {}; // [BLOCK, dim], scaled
    float[] dOut = {};
    float[] mixed = {};
    float[] queriesDown = {}; // panels
    float[] dOutDown = {};
    float[] scores = {}; // [BLOCK, context]
    float[] dScores = {};
    final float[] tile = new float[Gemm.STRIP * Gemm.WIDTH];
    final float[] strip = new float[Gemm.STRIP * BLOCK];
    int capacity;
    int dim;
    boolean back; // whether it has ever been needed for that

    void ensure(int context, int dim, boolean back) {
      if (capacity < context || this.dim != dim || (back && !this.back)) {
        this.back |= back;
        capacity = Math.max(context, capacity * 5 / 4);
        this.dim = dim;
        int stride = stride();
        keys = new float[capacity * dim];
        values = new float[capacity * dim];
        keysAcross = new float[Gemm.panelSize(dim, capacity)];
        valuesDown = new float[Gemm.panelSize(capacity, dim)];
        queries = new float[BLOCK * dim];
        mixed = new float[BLOCK * dim];
        scores = new float[BLOCK * stride];
        if (this.back) {
          keysDown = new float[Gemm.panelSize(capacity, dim)];
          valuesAcross = new float[Gemm.panelSize(dim, capacity)];
          dKeys = new float[capacity * dim];
          dValues = new float[capacity * dim];
          dOut = new float[BLOCK * dim];
          queriesDown = new float[Gemm.panelSize(BLOCK, dim)];
          dOutDown = new float[Gemm.panelSize(BLOCK, dim)];
          dScores = new float[BLOCK * stride];
        }
      }
    }

    /** From row to row of the scores. */
    int stride() {
      return Math.ceilDiv(capacity, N) * N + N;
    }
  }

  void forward(
      CpuTensor qkv,
      @Nullable CpuTensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      CpuTensor out,
      CpuTensor logSumExp) {
    back = false;
    begin(qkv, prefix, batch, heads, window, out, logSumExp);
  }

  void backward(
      CpuTensor dOut,
      CpuTensor qkv,
      @Nullable CpuTensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      CpuTensor out,
      CpuTensor logSumExp,
      CpuTensor dqkv) {
    back = true;
    this.dOut = dOut;
    this.dqkv = dqkv;
    begin(qkv, prefix, batch, heads, window, out, logSumExp);
  }

  private void begin(
      CpuTensor qkv,
      @Nullable CpuTensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      CpuTensor out,
      CpuTensor logSumExp) {
    this.qkv = qkv;
    this.prefix = prefix;
    this.batch = batch;
    this.heads = heads;
    this.window = window;
    this.out = out;
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
    pack(room, 0, shared);
    if (back) {
      Arrays.fill(room.dKeys, 0, shared * dim, 0);
      Arrays.fill(room.dValues, 0, shared * dim, 0);
    }
    attend(room, run, before, kvHead);
    for (int child = nextChild[run]; child >= 0; child = nextChild[child]) {
      int length = batch.length(child);
      context(room, qkv, batch.firstRow(child), shared, length, kvHead);
      pack(room, shared, shared + length);
      if (back) {
        Arrays.fill(room.dKeys, shared * dim, (shared + length) * dim, 0);
        Arrays.fill(room.dValues, shared * dim, (shared + length) * dim, 0);
      }
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

  /** Takes keys and values of some rows into the context. */
  private void context(Room room, CpuTensor from, int row, int at, int rows, int kvHead) {
    int dim = heads.headDim();
    int key = heads.heads() + kvHead;
    int value = key + heads.kvHeads();
    for (int i = 0; i < rows; i++) {
      int to = (at + i) * dim;
      MemorySegment.copy(from.data(), FLOAT, column(from, row + i, key), room.keys, to, dim);
      MemorySegment.copy(from.data(), FLOAT, column(from, row + i, value), room.values, to, dim);
    }
  }

  private void pack(Room room, int from, int to) {
    int dim = heads.headDim();
    Gemm.packTransposed(room.keys, from, to, dim, room.keysAcross);
    if (back) {
      Gemm.pack(room.keys, from, to, room.capacity, dim, room.keysDown);
      Gemm.packTransposed(room.values, from, to, dim, room.valuesAcross);
    } else {
      Gemm.pack(room.values, from, to, room.capacity, dim, room.valuesDown);
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
    for (int h = kvHead * group; h < (kvHead + 1) * group; h++) {
      for (int i = 0; i < batch.length(run); i += BLOCK) {
        int rows = Math.min(BLOCK, batch.length(run) - i);
        int row = batch.firstRow(run) + i;
        if (back) {
          blockBackward(room, row, rows, before + i, h);
        } else {
          blockForward(room, row, rows, before + i, h);
        }
      }
    }
  }

  private void load(CpuTensor from, int row, int rows, int head, float[] to) {
    int dim = heads.headDim();
    for (int i = 0; i < rows; i++) {
      MemorySegment.copy(from.data(), FLOAT, column(from, row + i, head), to, i * dim, dim);
    }
  }

  private void store(float[] from, CpuTensor to, int row, int rows, int head) {
    int dim = heads.headDim();
    for (int i = 0; i < rows; i++) {
      MemorySegment.copy(from, i * dim, to.data(), FLOAT, column(to, row + i, head), dim);
    }
  }

  /** The block's scaled queries, and their scores with all keys up to the last row's own. */
  private int scores(Room room, int row, int rows, int position, int h) {
    int dim = heads.headDim();
    load(qkv, row, rows, h, room.queries);
    multiply(room.queries, rows * dim, (float) (1 / Math.sqrt(dim)));
    int visible = position + rows;
    Gemm.multiply(
        room.queries,
        dim,
        rows,
        room.keysAcross,
        dim,
        dim,
        visible,
        false,
        room.scores,
        room.stride(),
        room.tile);
    return visible;
  }

  private void blockForward(Room room, int row, int rows, int position, int h) {
    int dim = heads.headDim();
    int stride = room.stride();
    int visible = scores(room, row, rows, position, h);
    for (int i = 0; i < rows; i++) {
      int end = position + i + 1;
      int start = Math.max(0, end - Math.min(end, window));
      int at = i * stride;
      Arrays.fill(room.scores, at, at + start, Float.NEGATIVE_INFINITY);
      Arrays.fill(room.scores, at + end, at + stride, Float.NEGATIVE_INFINITY);
      float max = max(room.scores, at, visible);
      float sum = exp(room.scores, at, visible, max);
      multiply(room.scores, at, visible, 1 / sum);
      logSumExp.set(row + i, h, (float) (max + Math.log(sum)));
    }
    Gemm.multiply(
        room.scores,
        stride,
        rows,
        room.valuesDown,
        room.capacity,
        visible,
        dim,
        false,
        room.mixed,
        dim,
        room.tile);
    store(room.mixed, out, row, rows, h);
  }

  private void blockBackward(Room room, int row, int rows, int position, int h) {
    int dim = heads.headDim();
    int stride = room.stride();
    int visible = scores(room, row, rows, position, h);
    load(dOut, row, rows, h, room.dOut);
    load(out, row, rows, h, room.mixed);
    Gemm.multiply(
        room.dOut,
        dim,
        rows,
        room.valuesAcross,
        dim,
        dim,
        visible,
        false,
        room.dScores,
        stride,
        room.tile);
    for (int i = 0; i < rows; i++) {
      int end = position + i + 1;
      int start = Math.max(0, end - Math.min(end, window));
      int at = i * stride;
      Arrays.fill(room.scores, at, at + start, Float.NEGATIVE_INFINITY);
      Arrays.fill(room.scores, at + end, at + stride, Float.NEGATIVE_INFINITY);
      exp(room.scores, at, visible, logSumExp.get(row + i, h));
      float delta = dot(room.dOut, room.mixed, i * dim, dim);
      scoreGradient(room.scores, room.dScores, at, visible, delta);
    }
    int prefixRows = batch.prefixRows(batch.runOf(row));
    Gemm.pack(room.dOut, 0, rows, BLOCK, dim, room.dOutDown);
    Gemm.multiplyTransposed(
        room.scores,
        stride,
        prefixRows,
        visible,
        room.dOutDown,
        BLOCK,
        rows,
        dim,
        room.dValues,
        room.tile,
        room.strip);
    Gemm.pack(room.queries, 0, rows, BLOCK, dim, room.queriesDown);
    Gemm.multiplyTransposed(
        room.dScores,
        stride,
        prefixRows,
        visible,
        room.queriesDown,
        BLOCK,
        rows,
        dim,
        room.dKeys,
        room.tile,
        room.strip);
    Gemm.multiply(
        room.dScores,
        stride,
        rows,
        room.keysDown,
        room.capacity,
        visible,
        dim,
        false,
        room.mixed,
        dim,
        room.tile);
    multiply(room.mixed, rows * dim, (float) (1 / Math.sqrt(dim)));
    store(room.mixed, dqkv, row, rows, h);
  }

  private static void multiply(float[] x, int n, float factor) {
    multiply(x, 0, n, factor);
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

  private static float dot(float[] a, float[] b, int at, int n) {
    FloatVector sums = FloatVector.zero(F);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      sums = FloatVector.fromArray(F, a, at + c).fma(FloatVector.fromArray(F, b, at + c), sums);
    }
    float sum = Lanes.sum(sums);
    for (int c = body; c < n; c++) {
      sum = Math.fma(a[at + c], b[at + c], sum);
    }
    return sum;
  }

  /** Largest of n numbers; what follows them, up to a whole vector, is not larger. */
  private static float max(float[] x, int at, int n) {
    FloatVector max = FloatVector.fromArray(F, x, at);
    for (int c = N; c < n; c += N) {
      max = max.max(FloatVector.fromArray(F, x, at + c));
    }
    float most = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < N; i++) {
      most = Math.max(most, max.lane(i));
    }
    return most;
  }

  /** x = exp(x - by), in place, up to a whole vector; returns the sum. */
  private static float exp(float[] x, int at, int n, float by) {
    FloatVector sums = FloatVector.zero(F);
    for (int c = 0; c < n; c += N) {
      FloatVector e = Lanes.exp(FloatVector.fromArray(F, x, at + c).sub(by));
      e.intoArray(x, at + c);
      sums = sums.add(e);
    }
    return Lanes.sum(sums);
  }

  /** dScores = P (dP - delta), up to a whole vector. */
  private static void scoreGradient(float[] p, float[] dp, int at, int n, float delta) {
    for (int c = 0; c < n; c += N) {
      FloatVector.fromArray(F, dp, at + c)
          .sub(delta)
          .mul(FloatVector.fromArray(F, p, at + c))
          .intoArray(dp, at + c);
    }
  }
}
