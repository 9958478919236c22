package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * Causal grouped-query attention over the K/V cache. One task is one row and one key/value head,
 * with all query heads that share it.
 */
final class VectorAttention implements AutoCloseable {
  private static final int TILE = 4;

  private final Workers workers;
  private final Scratch scratch =
      new Scratch(); // [workers, positions]: one head's scores, then its weights
  private final float[][] lanes; // of a tile, per worker
  private final float[][] queries; // one head, per worker
  private final Workers.Job job = this::rowAndHead;

  // The operation under way.
  private CpuTensor qkv = VectorBackend.NONE;
  private CpuTensor out = VectorBackend.NONE;
  private Batch batch = new Batch(0);
  private int layer;
  private int heads;
  private int window;
  private MemorySegment scores = MemorySegment.NULL;
  private long scoresStride;

  VectorAttention(Workers workers) {
    this.workers = workers;
    lanes = new float[workers.size()][TILE * N];
    queries = new float[workers.size()][0];
  }

  void run(CpuTensor qkv, Batch batch, int layer, int heads, int window, CpuTensor out) {
    this.qkv = qkv;
    this.batch = batch;
    this.layer = layer;
    this.heads = heads;
    this.window = window;
    this.out = out;
    int longest = 0;
    int kvHeads = 1;
    for (int run = 0; run < batch.runs(); run++) {
      KvCache cache = batch.cache(run);
      longest = Math.max(longest, cache.length() + cache.remaining());
      kvHeads = cache.kvHeads();
    }
    scoresStride = (longest * 4L + 63) / 64 * 64;
    scores = scratch.ensure(workers.size() * scoresStride);
    for (int i = 0; i < queries.length; i++) {
      if (queries[i].length < batch.cache(0).headDim()) {
        queries[i] = new float[batch.cache(0).headDim()];
      }
    }
    workers.run(job, batch.rows() * kvHeads);
  }

  private void rowAndHead(int task, int worker) {
    // The last rows see the most positions: they come first, so that the crew ends together.
    int kvHeads = batch.cache(0).kvHeads();
    int row = batch.rows() - 1 - task / kvHeads;
    int kvHead = task % kvHeads;
    int run = batch.runOf(row);
    KvCache cache = batch.cache(run);
    int end = batch.position(run, row) + 1;
    int start = Math.max(0, end - window);
    int dim = cache.headDim();
    int group = heads / kvHeads;
    long weights = worker * scoresStride;
    for (int h = kvHead * group; h < (kvHead + 1) * group; h++) {
      float[] query = queries[worker];
      MemorySegment.copy(qkv.data(), FLOAT, qkv.row(row) + (long) h * dim * 4, query, 0, dim);
      score(cache, kvHead, query, start, end, weights, lanes[worker]);
      float sum = softmax(weights, end - start);
      mix(cache, kvHead, start, end, weights, 1 / sum, out.row(row) + (long) h * dim * 4);
    }
  }

  /** scores[p - start] = q · k_p / sqrt(dim). */
  private void score(
      KvCache cache, int kvHead, float[] query, int start, int end, long weights, float[] tile) {
    int dim = cache.headDim();
    float scale = (float) (1 / Math.sqrt(dim));
    int body = F32Dot.INSTANCE.body(dim);
    for (int span = 0; span < cache.spans(); span++) {
      KvCache owner = cache.span(span);
      CpuTensor keys = CpuTensor.of(owner.keys(layer));
      long head = keys.row(kvHead * owner.capacity());
      long stride = keys.stride();
      int p = Math.max(start, owner.base());
      int to = cache.spanEnd(span, end);
      for (; p + TILE <= to; p += TILE) {
        long at = head + (p - owner.base()) * stride;
        F32Dot.INSTANCE.dot1x4(query, 0, keys.data(), at, stride, body, tile);
        for (int j = 0; j < TILE; j++) {
          float dot = tail(query, keys, at + j * stride, body, dim, Lanes.sum(tile, j * N));
          scores.set(FLOAT, weights + (p + j - start) * 4L, dot * scale);
        }
      }
      for (; p < to; p++) {
        long at = head + (p - owner.base()) * stride;
        float dot = F32Dot.INSTANCE.dot(query, 0, keys.data(), at, body);
        dot = tail(query, keys, at, body, dim, dot);
        scores.set(FLOAT, weights + (p - start) * 4L, dot * scale);
      }
    }
  }

  private float tail(float[] query, CpuTensor keys, long key, int body, int dim, float sum) {
    float value = sum;
    for (int c = body; c < dim; c++) {
      value = Math.fma(query[c], keys.data().get(FLOAT, key + c * 4L), value);
    }
    return value;
  }

  /** Turns n scores into exp(score - largest) and returns their sum. */
  private float softmax(long weights, int n) {
    int body = n / N * N;
    FloatVector largest = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    for (int p = 0; p < body; p += N) {
      largest = largest.max(FloatVector.fromMemorySegment(F, scores, weights + p * 4L, LE));
    }
    float max = largest.reduceLanes(jdk.incubator.vector.VectorOperators.MAX); // exact in any order
    for (int p = body; p < n; p++) {
      max = Math.max(max, scores.get(FLOAT, weights + p * 4L));
    }
    FloatVector sums = FloatVector.zero(F);
    for (int p = 0; p < body; p += N) {
      FloatVector e =
          Lanes.exp(FloatVector.fromMemorySegment(F, scores, weights + p * 4L, LE).sub(max));
      e.intoMemorySegment(scores, weights + p * 4L, LE);
      sums = sums.add(e);
    }
    float sum = Lanes.sum(sums);
    for (int p = body; p < n; p++) {
      float e = Lanes.exp(scores.get(FLOAT, weights + p * 4L) - max);
      scores.set(FLOAT, weights + p * 4L, e);
      sum += e;
    }
    return sum;
  }

  /** out = scale * Σ weight_p v_p, four vectors of the head at a time. */
  private void mix(
      KvCache cache, int kvHead, int start, int end, long weights, float scale, long to) {
    int dim = cache.headDim();
    int c = 0;
    for (; c + 4 * N <= dim; c += 4 * N) {
      mix4(cache, kvHead, start, end, weights, scale, to, c);
    }
    for (; c + N <= dim; c += N) {
      mix1(cache, kvHead, start, end, weights, scale, to, c);
    }
    for (; c < dim; c++) {
      float mixed = 0;
      for (int span = 0; span < cache.spans(); span++) {
        KvCache owner = cache.span(span);
        CpuTensor values = CpuTensor.of(owner.values(layer));
        int stop = cache.spanEnd(span, end);
        for (int p = Math.max(start, owner.base()); p < stop; p++) {
          long at = values.row(kvHead * owner.capacity() + p - owner.base()) + c * 4L;
          mixed =
              Math.fma(
                  scores.get(FLOAT, weights + (p - start) * 4L),
                  values.data().get(FLOAT, at),
                  mixed);
        }
      }
      out.data().set(FLOAT, to + c * 4L, mixed * scale);
    }
  }

  private void mix4(
      KvCache cache, int kvHead, int start, int end, long weights, float scale, long to, int c) {
    FloatVector m0 = FloatVector.zero(F);
    FloatVector m1 = FloatVector.zero(F);
    FloatVector m2 = FloatVector.zero(F);
    FloatVector m3 = FloatVector.zero(F);
    for (int span = 0; span < cache.spans(); span++) {
      KvCache owner = cache.span(span);
      CpuTensor values = CpuTensor.of(owner.values(layer));
      MemorySegment v = values.data();
      long stride = values.stride();
      int p = Math.max(start, owner.base());
      int stop = cache.spanEnd(span, end);
      long at = values.row(kvHead * owner.capacity() + p - owner.base()) + c * 4L;
      for (; p < stop; p++, at += stride) {
        FloatVector w = FloatVector.broadcast(F, scores.get(FLOAT, weights + (p - start) * 4L));
        m0 = w.fma(FloatVector.fromMemorySegment(F, v, at, LE), m0);
        m1 = w.fma(FloatVector.fromMemorySegment(F, v, at + N * 4L, LE), m1);
        m2 = w.fma(FloatVector.fromMemorySegment(F, v, at + N * 8L, LE), m2);
        m3 = w.fma(FloatVector.fromMemorySegment(F, v, at + N * 12L, LE), m3);
      }
    }
    MemorySegment o = out.data();
    m0.mul(scale).intoMemorySegment(o, to + c * 4L, LE);
    m1.mul(scale).intoMemorySegment(o, to + c * 4L + N * 4L, LE);
    m2.mul(scale).intoMemorySegment(o, to + c * 4L + N * 8L, LE);
    m3.mul(scale).intoMemorySegment(o, to + c * 4L + N * 12L, LE);
  }

  private void mix1(
      KvCache cache, int kvHead, int start, int end, long weights, float scale, long to, int c) {
    FloatVector mixed = FloatVector.zero(F);
    for (int span = 0; span < cache.spans(); span++) {
      KvCache owner = cache.span(span);
      CpuTensor values = CpuTensor.of(owner.values(layer));
      int p = Math.max(start, owner.base());
      int stop = cache.spanEnd(span, end);
      long at = values.row(kvHead * owner.capacity() + p - owner.base()) + c * 4L;
      for (; p < stop; p++, at += values.stride()) {
        FloatVector w = FloatVector.broadcast(F, scores.get(FLOAT, weights + (p - start) * 4L));
        mixed = w.fma(FloatVector.fromMemorySegment(F, values.data(), at, LE), mixed);
      }
    }
    mixed.mul(scale).intoMemorySegment(out.data(), to + c * 4L, LE);
  }

  @Override
  public void close() {
    scratch.close();
  }
}
