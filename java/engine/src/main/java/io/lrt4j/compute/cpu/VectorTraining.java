package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * Training with the Vector API. Rows are worked on in Java arrays, block by block, shared out among
 * the {@link Workers}; sums over rows are made per block and then added in the order of the blocks.
 */
final class VectorTraining extends CpuTraining {
  /** Rows of one task. */
  private static final int BLOCK = 32;

  /** Elements of one task where there are no rows. */
  private static final int CHUNK = 1 << 14;

  private final ReentrantLock turn;
  private final Workers workers;
  private final Gemm gemm;
  private final VectorTrainingAttention attention;
  private final VectorMuon muon;
  private final float[][][] buffers; // of each worker, by use
  private float[] partials = {}; // sums of each block of rows

  VectorTraining(VectorBackend backend, ReentrantLock turn, Workers workers) {
    super(backend);
    this.turn = turn;
    this.workers = workers;
    gemm = new Gemm(workers);
    attention = new VectorTrainingAttention(workers);
    muon = new VectorMuon(workers);
    buffers = new float[workers.size()][4][0];
  }

  /** One of a worker's arrays, of at least {@code size}. */
  private float[] buffer(int worker, int use, int size) {
    float[] own = buffers[worker][use];
    if (own.length < size) {
      own = new float[size + N];
      buffers[worker][use] = own;
    }
    return own;
  }

  private void run(Workers.Job job, int tasks) {
    turn.lock();
    try {
      workers.run(job, tasks);
    } finally {
      turn.unlock();
    }
  }

  private static void load(CpuTensor from, int row, int rows, float[] to) {
    MemorySegment.copy(from.data(), FLOAT, from.row(row), to, 0, rows * from.cols());
  }

  private static void store(float[] from, CpuTensor to, int row, int rows) {
    MemorySegment.copy(from, 0, to.data(), FLOAT, to.row(row), rows * to.cols());
  }

  // --- linear ---------------------------------------------------------------------------------

  @Override
  public void project(
      Tensor x, int rows, Tensor w, @Nullable Tensor bias, @Nullable Tensor plus, Tensor y) {
    turn.lock();
    try {
      gemm.run(
          CpuTensor.of(x),
          CpuTensor.of(w),
          true,
          rows,
          w.cols(),
          w.rows(),
          bias == null ? null : CpuTensor.of(bias),
          plus == null ? null : CpuTensor.of(plus),
          CpuTensor.of(y));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void projectInput(Tensor dy, int rows, Tensor w, boolean add, Tensor dx) {
    turn.lock();
    try {
      gemm.run(
          CpuTensor.of(dy),
          CpuTensor.of(w),
          false,
          rows,
          w.rows(),
          w.cols(),
          null,
          add ? CpuTensor.of(dx) : null,
          CpuTensor.of(dx));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void projectWeights(Tensor dy, Tensor x, int rows, Tensor dw, @Nullable Tensor dBias) {
    turn.lock();
    try {
      gemm.addTransposed(
          CpuTensor.of(dy), CpuTensor.of(x), dw.rows(), rows, dw.cols(), CpuTensor.of(dw));
      if (dBias != null) {
        sumRows(CpuTensor.of(dy), rows, CpuTensor.of(dBias));
      }
    } finally {
      turn.unlock();
    }
  }

  private void sumRows(CpuTensor x, int rows, CpuTensor sum) {
    int n = x.cols();
    int blocks = beginPartials(rows, n);
    workers.run(
        (block, worker) -> {
          int first = block * BLOCK;
          for (int i = first; i < Math.min(rows, first + BLOCK); i++) {
            add(x.data(), x.row(i), partials, block * n, n);
          }
        },
        blocks);
    addPartials(blocks, n, sum);
  }

  private int beginPartials(int rows, int n) {
    int blocks = Math.ceilDiv(rows, BLOCK);
    if (partials.length < blocks * n) {
      partials = new float[blocks * n];
    }
    Arrays.fill(partials, 0, blocks * n, 0);
    return blocks;
  }

  private void addPartials(int blocks, int n, CpuTensor sum) {
    addPartials(blocks, n, 0, sum);
  }

  /** Adds every block's sums, which lie {@code n} apart and begin at {@code at}. */
  private void addPartials(int blocks, int n, int at, CpuTensor sum) {
    float[] total = new float[sum.cols()];
    for (int block = 0; block < blocks; block++) {
      for (int c = 0; c < total.length; c++) {
        total[c] += partials[block * n + at + c];
      }
    }
    for (int c = 0; c < total.length; c++) {
      sum.set(0, c, sum.get(0, c) + total[c]);
    }
  }

  /** to[at …] += n floats of {@code from}. */
  private static void add(MemorySegment from, long fromAt, float[] to, int at, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromMemorySegment(F, from, fromAt + c * 4L, LE)
          .add(FloatVector.fromArray(F, to, at + c))
          .intoArray(to, at + c);
    }
    for (int c = body; c < n; c++) {
      to[at + c] += from.get(FLOAT, fromAt + c * 4L);
    }
  }

  /** n floats at {@code toAt} += those at {@code fromAt}. */
  private static void add(MemorySegment from, long fromAt, MemorySegment to, long toAt, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromMemorySegment(F, from, fromAt + c * 4L, LE)
          .add(FloatVector.fromMemorySegment(F, to, toAt + c * 4L, LE))
          .intoMemorySegment(to, toAt + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      to.set(FLOAT, toAt + c * 4L, to.get(FLOAT, toAt + c * 4L) + from.get(FLOAT, fromAt + c * 4L));
    }
  }

  // --- norm -----------------------------------------------------------------------------------

  @Override
  public void norm(Tensor x, int rows, Tensor w, float eps, Tensor y) {
    CpuTensor in = CpuTensor.of(x);
    CpuTensor out = CpuTensor.of(y);
    int n = in.cols();
    float[] weight = row(w, 0);
    run(
        (block, worker) -> {
          int first = block * BLOCK;
          int count = Math.min(BLOCK, rows - first);
          float[] v = buffer(worker, 0, BLOCK * n);
          load(in, first, count, v);
          for (int i = 0; i < count; i++) {
            scale(v, i * n, n, inverseRms(v, i * n, n, eps), weight);
          }
          store(v, out, first, count);
        },
        Math.ceilDiv(rows, BLOCK));
  }

  private static float inverseRms(float[] x, int at, int n, float eps) {
    return (float) (1 / Math.sqrt(dot(x, at, x, at, n) / n + eps));
  }

  private static float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector sums = FloatVector.zero(F);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      sums = FloatVector.fromArray(F, a, aAt + c).fma(FloatVector.fromArray(F, b, bAt + c), sums);
    }
    float sum = Lanes.sum(sums);
    for (int c = body; c < n; c++) {
      sum = Math.fma(a[aAt + c], b[bAt + c], sum);
    }
    return sum;
  }

  /** x *= r weight. */
  private static void scale(float[] x, int at, int n, float r, float[] weight) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, x, at + c)
          .mul(r)
          .mul(FloatVector.fromArray(F, weight, c))
          .intoArray(x, at + c);
    }
    for (int c = body; c < n; c++) {
      x[at + c] = x[at + c] * r * weight[c];
    }
  }

  @Override
  public void normBackward(
      Tensor dy,
      Tensor x,
      int rows,
      Tensor w,
      float eps,
      boolean add,
      Tensor dx,
      @Nullable Tensor dw) {
    CpuTensor dOut = CpuTensor.of(dy);
    CpuTensor in = CpuTensor.of(x);
    CpuTensor dIn = CpuTensor.of(dx);
    int n = in.cols();
    float[] weight = row(w, 0);
    turn.lock();
    try {
      int blocks = beginPartials(rows, n);
      workers.run(
          (block, worker) -> {
            int first = block * BLOCK;
            int count = Math.min(BLOCK, rows - first);
            float[] d = buffer(worker, 0, BLOCK * n);
            float[] v = buffer(worker, 1, BLOCK * n);
            load(dOut, first, count, d);
            load(in, first, count, v);
            for (int i = 0; i < count; i++) {
              normBackward(d, v, i * n, n, weight, eps, partials, block * n);
            }
            if (add) {
              add(d, dIn.data(), dIn.row(first), count * n);
            } else {
              store(d, dIn, first, count);
            }
          },
          blocks);
      if (dw != null) {
        addPartials(blocks, n, CpuTensor.of(dw));
      }
    } finally {
      turn.unlock();
    }
  }

  private static void add(float[] from, MemorySegment to, long toAt, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, from, c)
          .add(FloatVector.fromMemorySegment(F, to, toAt + c * 4L, LE))
          .intoMemorySegment(to, toAt + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      to.set(FLOAT, toAt + c * 4L, to.get(FLOAT, toAt + c * 4L) + from[c]);
    }
  }

  /** Turns dy into dx, in place, and adds to dw at {@code dwAt}. */
  private static void normBackward(
      float[] dy, float[] x, int at, int n, float[] weight, float eps, float[] dw, int dwAt) {
    float r = inverseRms(x, at, n, eps);
    FloatVector sums = FloatVector.zero(F);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector d = FloatVector.fromArray(F, dy, at + c);
      FloatVector dx = d.mul(FloatVector.fromArray(F, x, at + c));
      dx.mul(r).add(FloatVector.fromArray(F, dw, dwAt + c)).intoArray(dw, dwAt + c);
      sums = dx.fma(FloatVector.fromArray(F, weight, c), sums);
    }
    float dot = Lanes.sum(sums);
    for (int c = body; c < n; c++) {
      float dx = dy[at + c] * x[at + c];
      dw[dwAt + c] += dx * r;
      dot = Math.fma(dx, weight[c], dot);
    }
    float back = -r * r * dot / n;
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, dy, at + c)
          .mul(FloatVector.fromArray(F, weight, c))
          .add(FloatVector.fromArray(F, x, at + c).mul(back))
          .mul(r)
          .intoArray(dy, at + c);
    }
    for (int c = body; c < n; c++) {
      dy[at + c] = (dy[at + c] * weight[c] + x[at + c] * back) * r;
    }
  }

  // --- attention ------------------------------------------------------------------------------

  @Override
  public void rotate(
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      Tensor qkv) {
    CpuTensor in = CpuTensor.of(raw);
    CpuTensor out = CpuTensor.of(qkv);
    CpuTensor angles = CpuTensor.of(rope);
    float[] query = queryNorm == null ? null : row(queryNorm, 0);
    float[] key = keyNorm == null ? null : row(keyNorm, 0);
    int dim = heads.headDim();
    int n = heads.columns();
    int rows = batch.rows();
    run(
        (block, worker) -> {
          int first = block * BLOCK;
          int count = Math.min(BLOCK, rows - first);
          float[] v = buffer(worker, 0, BLOCK * n);
          float[] angle = buffer(worker, 1, dim);
          load(in, first, count, v);
          for (int i = 0; i < count; i++) {
            load(angles, batch.position(first + i), 1, angle);
            for (int h = 0; h < heads.heads() + heads.kvHeads(); h++) {
              int at = i * n + h * dim;
              float[] norm = h < heads.heads() ? query : key;
              if (norm != null) {
                scale(v, at, dim, inverseRms(v, at, dim, eps), norm);
              }
              rotate(v, at, dim / 2, angle, 1);
            }
          }
          store(v, out, first, count);
        },
        Math.ceilDiv(rows, BLOCK));
  }

  /** Rotates a head by the angles, or with {@code sign} -1 back. */
  private static void rotate(float[] x, int at, int half, float[] angles, float sign) {
    int far = at + half;
    int body = F.loopBound(half);
    for (int c = 0; c < body; c += N) {
      FloatVector cos = FloatVector.fromArray(F, angles, c);
      FloatVector sin = FloatVector.fromArray(F, angles, half + c).mul(sign);
      FloatVector a = FloatVector.fromArray(F, x, at + c);
      FloatVector b = FloatVector.fromArray(F, x, far + c);
      a.mul(cos).sub(b.mul(sin)).intoArray(x, at + c);
      b.mul(cos).add(a.mul(sin)).intoArray(x, far + c);
    }
    for (int c = body; c < half; c++) {
      float cos = angles[c];
      float sin = sign * angles[half + c];
      float a = x[at + c];
      float b = x[far + c];
      x[at + c] = a * cos - b * sin;
      x[far + c] = b * cos + a * sin;
    }
  }

  @Override
  public void rotateBackward(
      Tensor dqkv,
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      @Nullable Tensor dQueryNorm,
      @Nullable Tensor dKeyNorm) {
    CpuTensor d = CpuTensor.of(dqkv);
    CpuTensor in = CpuTensor.of(raw);
    CpuTensor angles = CpuTensor.of(rope);
    float[] query = queryNorm == null ? null : row(queryNorm, 0);
    float[] key = keyNorm == null ? null : row(keyNorm, 0);
    int dim = heads.headDim();
    int n = heads.columns();
    int rows = batch.rows();
    turn.lock();
    try {
      int blocks = beginPartials(rows, 2 * dim);
      workers.run(
          (block, worker) -> {
            int first = block * BLOCK;
            int count = Math.min(BLOCK, rows - first);
            float[] g = buffer(worker, 0, BLOCK * n);
            float[] v = buffer(worker, 1, BLOCK * n);
            float[] angle = buffer(worker, 2, dim);
            load(d, first, count, g);
            load(in, first, count, v);
            for (int i = 0; i < count; i++) {
              load(angles, batch.position(first + i), 1, angle);
              for (int h = 0; h < heads.heads() + heads.kvHeads(); h++) {
                int at = i * n + h * dim;
                boolean isQuery = h < heads.heads();
                // A rotation's inverse is its transpose: the gradient is turned back.
                rotate(g, at, dim / 2, angle, -1);
                float[] norm = isQuery ? query : key;
                if (norm != null) {
                  int sums = 2 * block * dim + (isQuery ? 0 : dim);
                  normBackward(g, v, at, dim, norm, eps, partials, sums);
                }
              }
            }
            store(g, d, first, count);
          },
          blocks);
      if (dQueryNorm != null) {
        addPartials(blocks, 2 * dim, 0, CpuTensor.of(dQueryNorm));
      }
      if (dKeyNorm != null) {
        addPartials(blocks, 2 * dim, dim, CpuTensor.of(dKeyNorm));
      }
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void attend(
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp) {
    turn.lock();
    try {
      attention.forward(
          CpuTensor.of(qkv),
          prefix == null ? null : CpuTensor.of(prefix),
          batch,
          heads,
          window,
          wanted,
          CpuTensor.of(out),
          CpuTensor.of(logSumExp));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void attendBackward(
      Tensor dOut,
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp,
      Tensor dqkv) {
    turn.lock();
    try {
      attention.backward(
          CpuTensor.of(dOut),
          CpuTensor.of(qkv),
          prefix == null ? null : CpuTensor.of(prefix),
          batch,
          heads,
          window,
          wanted,
          CpuTensor.of(logSumExp),
          CpuTensor.of(dqkv));
    } finally {
      turn.unlock();
    }
  }

  // --- gated MLP ------------------------------------------------------------------------------

  @Override
  public void gate(Tensor gateUp, int rows, Tensor hidden) {
    CpuTensor in = CpuTensor.of(gateUp);
    CpuTensor out = CpuTensor.of(hidden);
    int n = out.cols();
    run(
        (block, worker) -> {
          int first = block * BLOCK;
          for (int i = first; i < Math.min(rows, first + BLOCK); i++) {
            gate(in.data(), in.row(i), n, out.data(), out.row(i));
          }
        },
        Math.ceilDiv(rows, BLOCK));
  }

  private static void gate(MemorySegment gateUp, long at, int n, MemorySegment hidden, long to) {
    long up = at + n * 4L;
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector g = FloatVector.fromMemorySegment(F, gateUp, at + c * 4L, LE);
      FloatVector u = FloatVector.fromMemorySegment(F, gateUp, up + c * 4L, LE);
      g.div(Lanes.exp(g.neg()).add(1)).mul(u).intoMemorySegment(hidden, to + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      float g = gateUp.get(FLOAT, at + c * 4L);
      float h = g / (Lanes.exp(-g) + 1) * gateUp.get(FLOAT, up + c * 4L);
      hidden.set(FLOAT, to + c * 4L, h);
    }
  }

  @Override
  public void gateBackward(Tensor dHidden, Tensor gateUp, int rows, Tensor dGateUp) {
    CpuTensor dOut = CpuTensor.of(dHidden);
    CpuTensor in = CpuTensor.of(gateUp);
    CpuTensor dIn = CpuTensor.of(dGateUp);
    int n = dOut.cols();
    run(
        (block, worker) -> {
          int first = block * BLOCK;
          for (int i = first; i < Math.min(rows, first + BLOCK); i++) {
            gateBackward(dOut.data(), dOut.row(i), in.data(), in.row(i), n, dIn.data(), dIn.row(i));
          }
        },
        Math.ceilDiv(rows, BLOCK));
  }

  private static void gateBackward(
      MemorySegment d,
      long dAt,
      MemorySegment gateUp,
      long at,
      int n,
      MemorySegment to,
      long toAt) {
    long up = at + n * 4L;
    long toUp = toAt + n * 4L;
    int body = F.loopBound(n);
    FloatVector one = FloatVector.broadcast(F, 1);
    for (int c = 0; c < body; c += N) {
      FloatVector g = FloatVector.fromMemorySegment(F, gateUp, at + c * 4L, LE);
      FloatVector u = FloatVector.fromMemorySegment(F, gateUp, up + c * 4L, LE);
      FloatVector dh = FloatVector.fromMemorySegment(F, d, dAt + c * 4L, LE);
      FloatVector s = one.div(Lanes.exp(g.neg()).add(1));
      FloatVector ds = dh.mul(s);
      ds.mul(g).intoMemorySegment(to, toUp + c * 4L, LE);
      ds.mul(u).mul(one.sub(s).mul(g).add(1)).intoMemorySegment(to, toAt + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      float g = gateUp.get(FLOAT, at + c * 4L);
      float s = 1 / (Lanes.exp(-g) + 1);
      float ds = d.get(FLOAT, dAt + c * 4L) * s;
      float dGate = ds * gateUp.get(FLOAT, up + c * 4L) * ((1 - s) * g + 1);
      to.set(FLOAT, toUp + c * 4L, ds * g);
      to.set(FLOAT, toAt + c * 4L, dGate);
    }
  }

  // --- rows -----------------------------------------------------------------------------------

  @Override
  public void scatterAdd(Tensor from, int[] at, int offset, int rows, Tensor to) {
    CpuTensor source = CpuTensor.of(from);
    CpuTensor target = CpuTensor.of(to);
    for (int i = 0; i < rows; i++) {
      add(source.data(), source.row(i), target.data(), target.row(at[offset + i]), source.cols());
    }
  }

  @Override
  public void addRows(Tensor from, int fromRow, Tensor to, int toRow, int rows) {
    CpuTensor source = CpuTensor.of(from);
    CpuTensor target = CpuTensor.of(to);
    add(source.data(), source.row(fromRow), target.data(), target.row(toRow), rows * source.cols());
  }

  // --- loss -----------------------------------------------------------------------------------

  @Override
  public void logProbabilities(
      Tensor logits,
      int rows,
      int[] targets,
      int offset,
      float[] logprobs,
      float[] logSumExp,
      float @Nullable [] entropies) {
    CpuTensor in = CpuTensor.of(logits);
    int n = in.cols();
    run(
        (i, worker) -> {
          float[] l = buffer(worker, 0, n);
          load(in, i, 1, l);
          float max = max(l, n);
          float target = l[targets[offset + i]];
          double entropy = entropies == null ? 0 : weightedSum(l, n, max);
          double sum = expSum(l, n, max);
          double normaliser = max + Math.log(sum);
          logSumExp[offset + i] = (float) normaliser;
          logprobs[offset + i] = (float) (target - normaliser);
          if (entropies != null) {
            entropies[offset + i] = (float) (Math.log(sum) - entropy / sum);
          }
        },
        rows);
  }

  private static float max(float[] x, int n) {
    FloatVector max = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      max = max.max(FloatVector.fromArray(F, x, c));
    }
    float most = max.reduceLanes(VectorOperators.MAX);
    for (int c = body; c < n; c++) {
      most = Math.max(most, x[c]);
    }
    return most;
  }

  /** Turns x into exp(x - max), in place, and returns the sum of it. */
  private static double expSum(float[] x, int n, float max) {
    double total = 0;
    int body = F.loopBound(n);
    for (int from = 0; from < body; from += 64 * N) {
      FloatVector sums = FloatVector.zero(F);
      for (int c = from; c < Math.min(body, from + 64 * N); c += N) {
        sums = sums.add(Lanes.exp(FloatVector.fromArray(F, x, c).sub(max)));
      }
      total += Lanes.sum(sums);
    }
    for (int c = body; c < n; c++) {
      total += Lanes.exp(x[c] - max);
    }
    return total;
  }

  /** The sum of exp(x - max) (x - max). */
  private static double weightedSum(float[] x, int n, float max) {
    double total = 0;
    int body = F.loopBound(n);
    for (int from = 0; from < body; from += 64 * N) {
      FloatVector sums = FloatVector.zero(F);
      for (int c = from; c < Math.min(body, from + 64 * N); c += N) {
        FloatVector d = FloatVector.fromArray(F, x, c).sub(max);
        sums = Lanes.exp(d).fma(d.max(-1e30f), sums);
      }
      total += Lanes.sum(sums);
    }
    for (int c = body; c < n; c++) {
      float d = x[c] - max;
      total += Lanes.exp(d) * Math.max(d, -1e30f);
    }
    return total;
  }

  @Override
  public void logProbabilitiesBackward(
      Tensor logits, int rows, int[] targets, int offset, float[] logSumExp, float[] coefficients) {
    CpuTensor in = CpuTensor.of(logits);
    int n = in.cols();
    run(
        (i, worker) -> {
          float[] l = buffer(worker, 0, n);
          load(in, i, 1, l);
          float coefficient = coefficients[offset + i];
          softmaxBackward(l, n, logSumExp[offset + i], -coefficient);
          l[targets[offset + i]] += coefficient;
          store(l, in, i, 1);
        },
        rows);
  }

  /** x = factor exp(x - normaliser). */
  private static void softmaxBackward(float[] x, int n, float normaliser, float factor) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      Lanes.exp(FloatVector.fromArray(F, x, c).sub(normaliser)).mul(factor).intoArray(x, c);
    }
    for (int c = body; c < n; c++) {
      x[c] = Lanes.exp(x[c] - normaliser) * factor;
    }
  }

  // --- optimiser ------------------------------------------------------------------------------

  private static long elements(Tensor x) {
    return (long) x.rows() * x.cols();
  }

  private static int chunks(Tensor x) {
    return Math.toIntExact(Math.ceilDiv(elements(x), CHUNK));
  }

  @Override
  public double sumOfSquares(Tensor x) {
    MemorySegment data = CpuTensor.of(x).data();
    double[] sums = new double[chunks(x)];
    run(
        (chunk, worker) -> {
          long first = (long) chunk * CHUNK;
          int n = (int) Math.min(CHUNK, elements(x) - first);
          float[] v = buffer(worker, 0, CHUNK);
          MemorySegment.copy(data, FLOAT, first * 4, v, 0, n);
          sums[chunk] = sumOfSquares(v, n);
        },
        sums.length);
    double sum = 0;
    for (double s : sums) {
      sum += s;
    }
    return sum;
  }

  /** In f64, as the square of an f32 may be none; four sums at a time, so that none waits. */
  static double sumOfSquares(float[] x, int n) {
    double sum0 = 0;
    double sum1 = 0;
    double sum2 = 0;
    double sum3 = 0;
    int body = n & -4;
    for (int i = 0; i < body; i += 4) {
      sum0 += (double) x[i] * x[i];
      sum1 += (double) x[i + 1] * x[i + 1];
      sum2 += (double) x[i + 2] * x[i + 2];
      sum3 += (double) x[i + 3] * x[i + 3];
    }
    for (int i = body; i < n; i++) {
      sum0 += (double) x[i] * x[i];
    }
    return sum0 + sum1 + (sum2 + sum3);
  }

  @Override
  public void adamw(
      Tensor p,
      Tensor g,
      Tensor m,
      Tensor v,
      AdamW settings,
      float learningRate,
      float gradientScale,
      int step) {
    MemorySegment pData = CpuTensor.of(p).data();
    MemorySegment gData = CpuTensor.of(g).data();
    MemorySegment mData = CpuTensor.of(m).data();
    MemorySegment vData = CpuTensor.of(v).data();
    var update = new Update(settings, learningRate, gradientScale, step);
    run(
        (chunk, worker) -> {
          long at = (long) chunk * CHUNK * 4;
          int n = (int) Math.min(CHUNK, elements(p) - (long) chunk * CHUNK);
          float[] parameters = buffer(worker, 0, CHUNK);
          float[] gradients = buffer(worker, 1, CHUNK);
          float[] first = buffer(worker, 2, CHUNK);
          float[] second = buffer(worker, 3, CHUNK);
          MemorySegment.copy(pData, FLOAT, at, parameters, 0, n);
          MemorySegment.copy(gData, FLOAT, at, gradients, 0, n);
          MemorySegment.copy(mData, FLOAT, at, first, 0, n);
          MemorySegment.copy(vData, FLOAT, at, second, 0, n);
          update.apply(parameters, gradients, first, second, n);
          MemorySegment.copy(parameters, 0, pData, FLOAT, at, n);
          MemorySegment.copy(first, 0, mData, FLOAT, at, n);
          MemorySegment.copy(second, 0, vData, FLOAT, at, n);
        },
        chunks(p));
  }

  /** One step of AdamW with its corrections worked out. */
  private static final class Update {
    final float beta1;
    final float beta2;
    final float eps;
    final float scale;
    final float keep; // 1 - lr decay
    final float rate; // lr / (1 - beta1^step)
    final float correction; // 1 / sqrt(1 - beta2^step)

    Update(AdamW settings, float learningRate, float gradientScale, int step) {
      beta1 = settings.beta1();
      beta2 = settings.beta2();
      eps = settings.eps();
      scale = gradientScale;
      keep = (float) (1 - (double) learningRate * settings.decay());
      rate = (float) (learningRate / (1 - Math.pow(beta1, step)));
      correction = (float) (1 / Math.sqrt(1 - Math.pow(beta2, step)));
    }

    void apply(float[] p, float[] g, float[] m, float[] v, int n) {
      int body = F.loopBound(n);
      for (int c = 0; c < body; c += N) {
        FloatVector d = FloatVector.fromArray(F, g, c).mul(scale);
        FloatVector first = FloatVector.fromArray(F, m, c).mul(beta1).add(d.mul(1 - beta1));
        FloatVector second = FloatVector.fromArray(F, v, c).mul(beta2).add(d.mul(d).mul(1 - beta2));
        FloatVector root = second.lanewise(VectorOperators.SQRT).mul(correction).add(eps);
        first.intoArray(m, c);
        second.intoArray(v, c);
        FloatVector.fromArray(F, p, c).mul(keep).sub(first.mul(rate).div(root)).intoArray(p, c);
      }
      for (int c = body; c < n; c++) {
        float d = g[c] * scale;
        m[c] = m[c] * beta1 + d * (1 - beta1);
        v[c] = v[c] * beta2 + d * d * (1 - beta2);
        p[c] = p[c] * keep - m[c] * rate / ((float) Math.sqrt(v[c]) * correction + eps);
      }
    }
  }

  @Override
  public void muon(List<Matrix> matrices, Muon settings, float learningRate, float gradientScale) {
    turn.lock();
    try {
      muon.step(matrices, settings, learningRate, gradientScale);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void roundToBf16(Tensor from, Tensor to) {
    MemorySegment source = CpuTensor.of(from).data();
    MemorySegment target = CpuTensor.of(to).data();
    run(
        (chunk, worker) -> {
          long at = (long) chunk * CHUNK * 4;
          int n = (int) Math.min(CHUNK, elements(from) - (long) chunk * CHUNK);
          float[] v = buffer(worker, 0, CHUNK);
          MemorySegment.copy(source, FLOAT, at, v, 0, n);
          round(v, n);
          MemorySegment.copy(v, 0, target, FLOAT, at, n);
        },
        chunks(from));
  }

  private static void round(float[] x, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector v = FloatVector.fromArray(F, x, c);
      IntVector bits = v.reinterpretAsInts();
      IntVector even = bits.lanewise(VectorOperators.LSHR, 16).and(1).add(0x7FFF);
      IntVector rounded = bits.add(even).and(0xFFFF0000);
      IntVector nan = bits.and(0xFFFF0000).or(0x400000);
      rounded
          .blend(nan, v.test(VectorOperators.IS_NAN).cast(Lanes.I))
          .reinterpretAsFloats()
          .intoArray(x, c);
    }
    for (int c = body; c < n; c++) {
      x[c] = Float.intBitsToFloat(ScalarTraining.bf16(x[c]) << Short.SIZE);
    }
  }
}
