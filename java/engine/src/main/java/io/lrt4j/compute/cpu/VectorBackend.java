package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Projection;
import io.lrt4j.compute.Tensor;
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
  private final ReentrantLock turn = new ReentrantLock();
  private final Workers workers;
  private final VectorProjection projection;
  private final VectorAttention attention;

  // The operation under way; guarded by turn.
  private final Workers.Job normJob = this::normRow;
  private final Workers.Job ropeJob = this::ropeRow;
  private CpuTensor x = NONE;
  private CpuTensor out = NONE;
  private CpuTensor weight = NONE;
  private CpuTensor rope = NONE;
  private @Nullable CpuTensor queryNorm;
  private @Nullable CpuTensor keyNorm;
  private Batch batch = new Batch(0);
  private int layer;
  private float eps;

  static final CpuTensor NONE = new CpuTensor(io.lrt4j.compute.DType.F32, 0, 0, MemorySegment.NULL);

  /** A backend with its own crew of {@code threads}, the calling thread included. */
  public VectorBackend(int threads) {
    workers = new Workers(threads);
    projection = new VectorProjection(workers);
    attention = new VectorAttention(workers);
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
  public void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out) {
    CpuTensor a = CpuTensor.of(row);
    CpuTensor b = CpuTensor.of(by);
    CpuTensor o = CpuTensor.of(out);
    for (int i = 0; i < rows; i++) {
      for (int c = 0; c < a.cols(); c++) {
        o.set(i, c, a.get(fromRow, c) * b.get(i, c));
      }
    }
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
    rmsNorm(x.data(), x.row(row), x.cols(), weight, eps, out.data(), out.row(row));
  }

  /**
   * Norms n elements from byte {@code from} of {@code x} into byte {@code to} of {@code out}, which
   * may be the same.
   */
  static void rmsNorm(
      MemorySegment x, long from, int n, CpuTensor weight, float eps, MemorySegment out, long to) {
    int body = n / N * N;
    FloatVector squares = FloatVector.zero(F);
    for (int c = 0; c < body; c += N) {
      FloatVector v = FloatVector.fromMemorySegment(F, x, from + c * 4L, LE);
      squares = v.fma(v, squares);
    }
    float sum = Lanes.sum(squares);
    for (int c = body; c < n; c++) {
      float v = x.get(FLOAT, from + c * 4L);
      sum = Math.fma(v, v, sum);
    }
    float scale = (float) (1 / Math.sqrt(sum / n + eps));
    if (weight.dtype() == io.lrt4j.compute.DType.F32) {
      for (int c = 0; c < body; c += N) {
        FloatVector.fromMemorySegment(F, x, from + c * 4L, LE)
            .mul(scale)
            .mul(FloatVector.fromMemorySegment(F, weight.data(), c * 4L, LE))
            .intoMemorySegment(out, to + c * 4L, LE);
      }
    } else {
      body = 0;
    }
    for (int c = body; c < n; c++) {
      out.set(FLOAT, to + c * 4L, x.get(FLOAT, from + c * 4L) * scale * weight.get(0, c));
    }
  }

  @Override
  public void project(Tensor x, int rows, Projection p, Tensor out) {
    turn.lock();
    try {
      projection.run(CpuTensor.of(x), rows, null, 0, p, CpuTensor.of(out), false);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void normProject(Tensor x, int rows, Tensor norm, float eps, Projection p, Tensor out) {
    turn.lock();
    try {
      projection.run(CpuTensor.of(x), rows, CpuTensor.of(norm), eps, p, CpuTensor.of(out), false);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void projectAdd(Tensor x, int rows, Projection p, Tensor y) {
    turn.lock();
    try {
      projection.run(CpuTensor.of(x), rows, null, 0, p, CpuTensor.of(y), true);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void gatedMlp(
      Tensor x,
      int rows,
      Tensor norm,
      float eps,
      Projection gateUp,
      Projection down,
      Tensor scratch) {
    turn.lock();
    try {
      CpuTensor in = CpuTensor.of(x);
      CpuTensor s = CpuTensor.of(scratch);
      projection.run(in, rows, CpuTensor.of(norm), eps, gateUp, s, false);
      projection.runGated(s, rows, down, in);
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
    long at = x.row(row);
    long bytes = dim * 4L;
    for (int h = 0; h < heads + kvHeads; h++) {
      CpuTensor norm = h < heads ? queryNorm : keyNorm;
      if (norm != null) {
        rmsNorm(x.data(), at + h * bytes, dim, norm, eps, x.data(), at + h * bytes);
      }
      rotate(x.data(), at + h * bytes, dim / 2, rope.data(), rope.row(position));
    }
    CpuTensor keys = CpuTensor.of(cache.keys(layer));
    CpuTensor values = CpuTensor.of(cache.values(layer));
    for (int h = 0; h < kvHeads; h++) {
      long to = keys.row(h * cache.capacity() + position - cache.base());
      MemorySegment.copy(x.data(), at + (heads + h) * bytes, keys.data(), to, bytes);
      MemorySegment.copy(x.data(), at + (heads + kvHeads + h) * bytes, values.data(), to, bytes);
    }
  }

  private static void rotate(MemorySegment x, long at, int half, MemorySegment rope, long cosAt) {
    long far = half * 4L;
    int body = half / N * N;
    for (int c = 0; c < body; c += N) {
      long k = c * 4L;
      FloatVector cos = FloatVector.fromMemorySegment(F, rope, cosAt + k, LE);
      FloatVector sin = FloatVector.fromMemorySegment(F, rope, cosAt + far + k, LE);
      FloatVector a = FloatVector.fromMemorySegment(F, x, at + k, LE);
      FloatVector b = FloatVector.fromMemorySegment(F, x, at + far + k, LE);
      a.mul(cos).sub(b.mul(sin)).intoMemorySegment(x, at + k, LE);
      b.mul(cos).add(a.mul(sin)).intoMemorySegment(x, at + far + k, LE);
    }
    for (int c = body; c < half; c++) {
      long k = c * 4L;
      float cos = rope.get(FLOAT, cosAt + k);
      float sin = rope.get(FLOAT, cosAt + far + k);
      float a = x.get(FLOAT, at + k);
      float b = x.get(FLOAT, at + far + k);
      x.set(FLOAT, at + k, a * cos - b * sin);
      x.set(FLOAT, at + far + k, b * cos + a * sin);
    }
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
  public void summarize(Tensor logits, int row, LogitSummary summary) {
    CpuTensor l = CpuTensor.of(logits);
    ScalarBackend.summarize(l, row, summary);
    int n = l.cols();
    int body = n / N * N;
    long at = l.row(row);
    FloatVector sums = FloatVector.zero(F);
    for (int c = 0; c < body; c += N) {
      FloatVector v = FloatVector.fromMemorySegment(F, l.data(), at + c * 4L, LE);
      sums = sums.add(Lanes.exp(v.sub(summary.max)));
    }
    double sum = Lanes.sum(sums);
    for (int c = body; c < n; c++) {
      sum += Lanes.exp(l.data().get(FLOAT, at + c * 4L) - summary.max);
    }
    summary.logSumExp = (float) (summary.max + Math.log(sum));
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
