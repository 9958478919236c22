package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.ReentrantLock;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The Vector API backend. Weights stay in the file's mapping and type; every operation is one or a
 * few jobs for the {@link Workers}. Operations of several sessions take turns, each with the whole
 * crew.
 */
public final class VectorBackend extends CpuBackend {
  static final CpuTensor NONE = new CpuTensor(DType.F32, 0, 0, MemorySegment.NULL);
  private static final int SUM_BLOCK = 64 * N;

  private final ReentrantLock turn = new ReentrantLock();
  private final Workers workers;
  private final VectorProjection projection;
  private final VectorAttention attention;
  private final VectorTraining training;

  private final float[][] rowBuffers;

  // The operation under way; guarded by turn.
  private final Workers.Job normJob = this::normRow;
  private final Workers.Job ropeJob = this::ropeRow;
  private final Workers.Job summaryJob = this::summarizeRow;
  private CpuTensor x = NONE;
  private CpuTensor out = NONE;
  private CpuTensor weight = NONE;
  private CpuTensor rope = NONE;
  private @Nullable CpuTensor queryNorm;
  private @Nullable CpuTensor keyNorm;
  private Batch batch = new Batch(0);
  private int layer;
  private float eps;
  private int firstRow;
  private LogitSummary[] summaries = {};

  /** A backend with its own crew of {@code threads}, the calling thread included. */
  public VectorBackend(int threads) {
    workers = new Workers(threads);
    rowBuffers = new float[threads][0];
    projection = new VectorProjection(workers);
    attention = new VectorAttention(workers);
    training = new VectorTraining(this, turn, workers);
  }

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public String describe() {
    return "jdk.incubator.vector, "
        + F.vectorBitSize()
        + "-bit vectors, "
        + workers.size()
        + (workers.size() == 1 ? " thread" : " threads");
  }

  @Override
  public int rowsPerRead() {
    return 4;
  }

  @Override
  public Memory newMemory() {
    return newMemory(Quantization.NONE);
  }

  @Override
  public Memory newMemory(Quantization quantization) {
    return new CpuMemory(quantization, CpuMemory.Rounded.IN_PANELS);
  }

  @Override
  public void norm(Tensor x, int rows, Tensor weight, float eps, Tensor out) {
    turn.lock();
    try {
      this.x = CpuTensor.of(x);
      this.weight = CpuTensor.of(weight);
      this.out = CpuTensor.of(out);
      this.eps = eps;
      workers.run(normJob, rows);
    } finally {
      turn.unlock();
    }
  }

  private void normRow(int row, int worker) {
    float[] v = rowBuffer(worker, x.cols());
    MemorySegment.copy(x.data(), FLOAT, x.row(row), v, 0, x.cols());
    VectorNorm.rmsNorm(v, 0, x.cols(), weight, eps);
    MemorySegment.copy(v, 0, out.data(), FLOAT, out.row(row), x.cols());
  }

  @Override
  public void project(Tensor x, int rows, Linear p, Tensor out) {
    project(x, rows, null, 0, p, out, false);
  }

  @Override
  public void normProject(Tensor x, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    project(x, rows, CpuTensor.of(norm), eps, p, out, false);
  }

  @Override
  public void projectAdd(Tensor x, int rows, Linear p, Tensor y) {
    project(x, rows, null, 0, p, y, true);
  }

  private void project(
      Tensor x, int rows, @Nullable CpuTensor norm, float eps, Linear p, Tensor y, boolean add) {
    turn.lock();
    try {
      projection.run(CpuTensor.of(x), rows, norm, eps, CpuLinear.of(p), CpuTensor.of(y), add);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void gatedMlp(
      Tensor x, int rows, Tensor norm, float eps, Linear gateUp, Linear down, Tensor scratch) {
    turn.lock();
    try {
      CpuTensor in = CpuTensor.of(x);
      CpuTensor s = CpuTensor.of(scratch);
      projection.run(in, rows, CpuTensor.of(norm), eps, CpuLinear.of(gateUp), s, false);
      projection.runGated(s, rows, CpuLinear.of(down), in);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void ropeAndStore(
      Tensor qkv,
      Batch batch,
      int layer,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope) {
    turn.lock();
    try {
      x = CpuTensor.of(qkv);
      this.batch = batch;
      this.layer = layer;
      this.queryNorm = queryNorm == null ? null : CpuTensor.of(queryNorm);
      this.keyNorm = keyNorm == null ? null : CpuTensor.of(keyNorm);
      this.eps = eps;
      this.rope = CpuTensor.of(rope);
      workers.run(ropeJob, batch.rows());
    } finally {
      turn.unlock();
    }
  }

  private void ropeRow(int row, int worker) {
    int run = batch.runOf(row);
    KvCache cache = batch.cache(run);
    int position = batch.position(run, row);
    int dim = cache.headDim();
    int kvHeads = cache.kvHeads();
    int heads = x.cols() / dim - 2 * kvHeads;
    float[] v = rowBuffer(worker, x.cols());
    MemorySegment.copy(x.data(), FLOAT, x.row(row), v, 0, x.cols());
    for (int h = 0; h < heads + kvHeads; h++) {
      CpuTensor norm = h < heads ? queryNorm : keyNorm;
      if (norm != null) {
        VectorNorm.rmsNorm(v, h * dim, dim, norm, eps);
      }
      rotate(v, h * dim, dim / 2, rope.data(), rope.row(position));
    }
    MemorySegment.copy(v, 0, x.data(), FLOAT, x.row(row), heads * dim);
    CpuTensor block = CpuTensor.of(cache.block(position / cache.blockLength()));
    int at = position % cache.blockLength();
    for (int h = 0; h < kvHeads; h++) {
      block.write(cache.keyRow(layer, h) + at, v, (heads + h) * dim, dim);
      block.write(cache.valueRow(layer, h) + at, v, (heads + kvHeads + h) * dim, dim);
    }
  }

  /** Rotates the pairs (i, i + half) of the head at {@code at} by the angles of one position. */
  private static void rotate(float[] x, int at, int half, MemorySegment rope, long cosAt) {
    int far = at + half;
    long sinAt = cosAt + half * 4L;
    int body = half / N * N;
    for (int c = 0; c < body; c += N) {
      FloatVector cos = FloatVector.fromMemorySegment(F, rope, cosAt + c * 4L, LE);
      FloatVector sin = FloatVector.fromMemorySegment(F, rope, sinAt + c * 4L, LE);
      FloatVector a = FloatVector.fromArray(F, x, at + c);
      FloatVector b = FloatVector.fromArray(F, x, far + c);
      a.mul(cos).sub(b.mul(sin)).intoArray(x, at + c);
      b.mul(cos).add(a.mul(sin)).intoArray(x, far + c);
    }
    for (int c = body; c < half; c++) {
      float cos = rope.get(FLOAT, cosAt + c * 4L);
      float sin = rope.get(FLOAT, sinAt + c * 4L);
      float a = x[at + c];
      float b = x[far + c];
      x[at + c] = a * cos - b * sin;
      x[far + c] = b * cos + a * sin;
    }
  }

  /** A worker's own buffer; it grows to the widest row and stays. */
  private float[] rowBuffer(int worker, int n) {
    if (rowBuffers[worker].length < n) {
      rowBuffers[worker] = new float[n];
    }
    return rowBuffers[worker];
  }

  @Override
  public void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out) {
    turn.lock();
    try {
      attention.run(CpuTensor.of(qkv), batch, layer, heads, window, CpuTensor.of(out));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void summarize(Tensor logits, int from, int rows, LogitSummary[] summaries) {
    turn.lock();
    try {
      x = CpuTensor.of(logits);
      firstRow = from;
      this.summaries = summaries;
      workers.run(summaryJob, rows);
    } finally {
      turn.unlock();
    }
  }

  private void summarizeRow(int task, int worker) {
    int row = firstRow + task;
    LogitSummary summary = summaries[task];
    CpuTensor l = x;
    ScalarBackend.summarize(l, row, summary);
    int n = l.cols();
    int body = n / N * N;
    long at = l.row(row);
    double sum = 0; // f32 sums are kept short: a vocabulary has 150,000 terms
    for (int from = 0; from < body; from += SUM_BLOCK) {
      FloatVector sums = FloatVector.zero(F);
      int to = Math.min(from + SUM_BLOCK, body);
      for (int c = from; c < to; c += N) {
        FloatVector v = FloatVector.fromMemorySegment(F, l.data(), at + c * 4L, LE);
        sums = sums.add(Lanes.exp(v.sub(summary.max)));
      }
      sum += Lanes.sum(sums);
    }
    for (int c = body; c < n; c++) {
      sum += Lanes.exp(l.data().get(FLOAT, at + c * 4L) - summary.max);
    }
    summary.logSumExp = (float) (summary.max + Math.log(sum));
  }

  @Override
  public TrainingBackend training() {
    return training;
  }

  @Override
  public void close() {
    turn.lock();
    try {
      workers.close();
      projection.close();
      attention.close();
    } finally {
      turn.unlock();
    }
  }
}
