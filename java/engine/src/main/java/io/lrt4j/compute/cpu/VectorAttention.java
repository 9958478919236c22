package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Causal grouped-query attention over the K/V cache. One task is one key/value head, with all query
 * heads that share it, for one row or, in prefill, for four neighbours that then share every load
 * of a key and a value.
 */
final class VectorAttention {
  private static final int TILE = 4;
  private static final int LEAST_POSITIONS = 1024;

  private final Workers workers;
  private final Part[] parts; // per worker
  private final Workers.Job job = this::task;

  // The operation under way.
  private CpuTensor qkv = VectorBackend.NONE;
  private CpuTensor out = VectorBackend.NONE;
  private Batch batch = new Batch(0);
  private int layer;
  private int heads;
  private int window;

  VectorAttention(Workers workers) {
    this.workers = workers;
    parts = new Part[workers.size()];
    for (int i = 0; i < parts.length; i++) {
      parts[i] = new Part();
    }
  }

  void run(CpuTensor qkv, Batch batch, int layer, int heads, int window, CpuTensor out) {
    this.qkv = qkv;
    this.batch = batch;
    this.layer = layer;
    this.heads = heads;
    this.window = window;
    this.out = out;
    int longest = 0;
    int tasks = 0;
    for (int run = 0; run < batch.runs(); run++) {
      KvCache cache = batch.cache(run);
      longest = Math.max(longest, batch.position(run, batch.firstRow(run + 1)));
      tasks += blocks(run) * cache.kvHeads();
    }
    for (Part part : parts) {
      part.ensure(longest, batch.cache(0).headDim());
    }
    workers.run(job, tasks);
  }

  /** Blocks of four rows, then the rows that are left. */
  private int blocks(int run) {
    int rows = batch.firstRow(run + 1) - batch.firstRow(run);
    return rows / TILE + rows % TILE;
  }

  private void task(int task, int worker) {
    int kvHeads = batch.cache(0).kvHeads();
    int kvHead = task % kvHeads;
    int block = task / kvHeads;
    int run = 0;
    while (block >= blocks(run)) {
      block -= blocks(run++);
    }
    int fours = (batch.firstRow(run + 1) - batch.firstRow(run)) / TILE;
    int first = batch.firstRow(run);
    int row = block < fours ? first + block * TILE : first + fours * TILE + (block - fours);
    parts[worker].attend(run, row, block < fours ? TILE : 1, kvHead);
  }

  /** One worker's buffers and its task. */
  private final class Part {
    private final float[] lanes = new float[TILE * TILE * N];
    private final float[] sums = new float[TILE];
    private float[] queries = {}; // [4, headDim]
    private float[] weights = {}; // [4, positions]: scores, then exp(score - largest)
    private int stride; // from row to row of weights
    private int kvHead;
    private int rows;
    private int start; // first position that any of the rows sees
    private int end; // behind the last one

    private void ensure(int positions, int headDim) {
      if (stride < positions) {
        stride = Math.max(LEAST_POSITIONS, 2 * Integer.highestOneBit(positions)); // seldom again
        weights = new float[TILE * stride];
      }
      if (queries.length < TILE * headDim) {
        queries = new float[TILE * headDim];
      }
    }

    private void attend(int run, int row, int rows, int kvHead) {
      KvCache cache = batch.cache(run);
      this.kvHead = kvHead;
      this.rows = rows;
      int position = batch.position(run, row);
      start = Math.max(0, position + 1 - window);
      end = position + rows;
      int dim = cache.headDim();
      int group = heads / cache.kvHeads();
      for (int h = kvHead * group; h < (kvHead + 1) * group; h++) {
        for (int i = 0; i < rows; i++) {
          MemorySegment.copy(
              qkv.data(), FLOAT, qkv.row(row + i) + (long) h * dim * 4, queries, i * dim, dim);
        }
        score(cache);
        for (int i = 0; i < rows; i++) {
          int from = Math.max(0, position + i + 1 - window) - start;
          softmax(i * stride, from, position + i + 1 - start, end - start);
        }
        mix(cache, row, h * dim);
      }
    }

    /**
     * weights[i, p - start] = q_i · k_p / sqrt(dim), for all rows over all positions that any of
     * them sees.
     */
    private void score(KvCache cache) {
      int length = cache.blockLength();
      for (int block = start / length; block * length < end; block++) {
        int from = Math.max(start, block * length);
        int to = Math.min(end, (block + 1) * length);
        int n = to - from;
        if (n < TILE) {
          for (int p = from; p < to; p++) {
            scoreOne(cache, block, p);
          }
          continue;
        }
        // One row reads keys from memory, in four long runs (see VectorProjection); four rows find
        // most of them in the cache.
        int step = rows == 1 ? n / TILE : 1;
        int group = rows == 1 ? 1 : TILE; // from a four to the next
        int fours = n / TILE;
        for (int i = 0; i < fours; i++) {
          scoreFour(cache, block, from + i * group, step);
        }
        if (n % TILE != 0) {
          scoreFour(cache, block, to - TILE, 1); // has some of those before it: the same again
        }
      }
    }

    /** Scores of positions p, p + step, p + 2 step, p + 3 step. */
    private void scoreFour(KvCache cache, int block, int p, int step) {
      CpuTensor keys = CpuTensor.of(cache.block(block));
      int dim = cache.headDim();
      int body = F32Dot.INSTANCE.body(dim);
      long at = keys.row(cache.keyRow(layer, kvHead) + p - block * cache.blockLength());
      long bytes = step * keys.stride();
      if (rows == TILE) {
        Tile.dot4x4(queries, 0, dim, keys.data(), at, bytes, body, lanes);
      } else {
        F32Dot.INSTANCE.dot1x4(queries, 0, keys.data(), at, bytes, body, lanes);
      }
      for (int i = 0; i < rows; i++) {
        Lanes.sum4(lanes, TILE * i * N, sums, 0);
        for (int j = 0; j < TILE; j++) {
          float dot = tail(i * dim, keys, at + j * bytes, body, dim, sums[j]);
          weights[i * stride + p + j * step - start] = dot * scale(dim);
        }
      }
    }

    private void scoreOne(KvCache cache, int block, int p) {
      CpuTensor keys = CpuTensor.of(cache.block(block));
      int dim = cache.headDim();
      int body = F32Dot.INSTANCE.body(dim);
      long at = keys.row(cache.keyRow(layer, kvHead) + p - block * cache.blockLength());
      for (int i = 0; i < rows; i++) {
        float dot = F32Dot.INSTANCE.dot(queries, i * dim, keys.data(), at, body);
        dot = tail(i * dim, keys, at, body, dim, dot);
        weights[i * stride + p - start] = dot * scale(dim);
      }
    }

    private static float scale(int dim) {
      return (float) (1 / Math.sqrt(dim));
    }

    private float tail(int query, CpuTensor keys, long key, int body, int dim, float sum) {
      float value = sum;
      for (int c = body; c < dim; c++) {
        value = Math.fma(queries[query + c], keys.data().get(FLOAT, key + c * 4L), value);
      }
      return value;
    }

    /**
     * Turns the scores [from, to) of a row into weights that add up to 1, and those that it does
     * not see, of n, into 0.
     */
    private void softmax(int row, int from, int to, int n) {
      float[] w = weights;
      int first = row + from;
      int body = first + (to - from) / N * N;
      int last = row + to;
      FloatVector largest = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
      for (int p = first; p < body; p += N) {
        largest = largest.max(FloatVector.fromArray(F, w, p));
      }
      float max = largest.reduceLanes(VectorOperators.MAX); // exact in any order
      for (int p = body; p < last; p++) {
        max = Math.max(max, w[p]);
      }
      FloatVector vectorSum = FloatVector.zero(F);
      for (int p = first; p < body; p += N) {
        FloatVector e = Lanes.exp(FloatVector.fromArray(F, w, p).sub(max));
        e.intoArray(w, p);
        vectorSum = vectorSum.add(e);
      }
      float sum = Lanes.sum(vectorSum);
      for (int p = body; p < last; p++) {
        w[p] = Lanes.exp(w[p] - max);
        sum += w[p];
      }
      float scale = 1 / sum;
      for (int p = first; p < last; p++) {
        w[p] *= scale;
      }
      Arrays.fill(w, row, first, 0f);
      Arrays.fill(w, last, row + n, 0f);
    }

    /** out[row + i, col + c] = Σ weights[i, p] v_p[c]. */
    private void mix(KvCache cache, int row, int col) {
      int dim = cache.headDim();
      int c = 0;
      for (; c + 4 * N <= dim; c += 4 * N) {
        for (int i = 0; i < rows; i++) {
          mixFour(cache, i * stride, c, out.row(row + i) + (col + c) * 4L);
        }
      }
      for (; c + N <= dim; c += N) {
        for (int i = 0; i < rows; i++) {
          mixOne(cache, i * stride, c, out.row(row + i) + (col + c) * 4L);
        }
      }
      for (; c < dim; c++) {
        for (int i = 0; i < rows; i++) {
          out.set(row + i, col + c, mixElement(cache, i * stride, c));
        }
      }
    }

    private void mixFour(KvCache cache, int row, int c, long to) {
      FloatVector m0 = FloatVector.zero(F);
      FloatVector m1 = FloatVector.zero(F);
      FloatVector m2 = FloatVector.zero(F);
      FloatVector m3 = FloatVector.zero(F);
      float[] w = weights;
      int length = cache.blockLength();
      for (int block = start / length; block * length < end; block++) {
        CpuTensor values = CpuTensor.of(cache.block(block));
        MemorySegment v = values.data();
        long rowBytes = values.stride();
        int from = Math.max(start, block * length);
        int n = Math.min(end, (block + 1) * length) - from;
        long at = values.row(cache.valueRow(layer, kvHead) + from - block * length) + c * 4L;
        int first = row + from - start;
        for (int p = 0; p < n; p++) {
          FloatVector weight = FloatVector.broadcast(F, w[first + p]);
          long k = at + p * rowBytes;
          m0 = weight.fma(FloatVector.fromMemorySegment(F, v, k, LE), m0);
          m1 = weight.fma(FloatVector.fromMemorySegment(F, v, k + N * 4L, LE), m1);
          m2 = weight.fma(FloatVector.fromMemorySegment(F, v, k + N * 8L, LE), m2);
          m3 = weight.fma(FloatVector.fromMemorySegment(F, v, k + N * 12L, LE), m3);
        }
      }
      MemorySegment o = out.data();
      m0.intoMemorySegment(o, to, LE);
      m1.intoMemorySegment(o, to + N * 4L, LE);
      m2.intoMemorySegment(o, to + N * 8L, LE);
      m3.intoMemorySegment(o, to + N * 12L, LE);
    }

    private void mixOne(KvCache cache, int row, int c, long to) {
      FloatVector mixed = FloatVector.zero(F);
      int length = cache.blockLength();
      for (int block = start / length; block * length < end; block++) {
        CpuTensor values = CpuTensor.of(cache.block(block));
        int from = Math.max(start, block * length);
        int n = Math.min(end, (block + 1) * length) - from;
        long at = values.row(cache.valueRow(layer, kvHead) + from - block * length) + c * 4L;
        for (int p = 0; p < n; p++) {
          FloatVector weight = FloatVector.broadcast(F, weights[row + from - start + p]);
          long k = at + p * values.stride();
          mixed = weight.fma(FloatVector.fromMemorySegment(F, values.data(), k, LE), mixed);
        }
      }
      mixed.intoMemorySegment(out.data(), to, LE);
    }

    private float mixElement(KvCache cache, int row, int c) {
      float mixed = 0;
      int length = cache.blockLength();
      for (int block = start / length; block * length < end; block++) {
        CpuTensor values = CpuTensor.of(cache.block(block));
        int stop = Math.min(end, (block + 1) * length);
        for (int p = Math.max(start, block * length); p < stop; p++) {
          float value = values.get(cache.valueRow(layer, kvHead) + p - block * length, c);
          mixed = Math.fma(weights[row + p - start], value, mixed);
        }
      }
      return mixed;
    }
  }
}
