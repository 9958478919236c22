package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Causal grouped-query attention over the K/V cache, block by block of it; rounded ones are widened
 * first. One task is one key/value head, with all query heads that share it, for one row or, in
 * prefill, for four neighbours that then share every load of a key and a value.
 */
final class VectorAttention implements AutoCloseable {
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
      KvCache cache = batch.cache(0);
      part.ensure(longest, heads / cache.kvHeads(), cache.headDim(), cache.blockLength());
    }
    workers.run(job, tasks);
  }

  @Override
  public void close() {
    for (Part part : parts) {
      part.widened.close();
    }
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
    private final Scratch widened = new Scratch(); // a block's keys or values of one head, as f32
    private float[] ofKeys = {}; // lanes of a block's keys
    private float[] queries = {}; // [heads of a group, 4, headDim]
    private float[] weights = {}; // [heads of a group, 4, positions]: scores, then exp(score - max)
    private int stride; // from row to row of weights
    private int rows;
    private int start; // first position that any of the rows sees
    private int end; // behind the last one

    // The block under way: keys or values of positions [from, to) of one head, as f32.
    private MemorySegment data = MemorySegment.NULL;
    private long at; // of position `from`
    private int from;
    private int to;

    private void ensure(int positions, int group, int headDim, int blockLength) {
      if (stride < positions) {
        stride = Math.max(LEAST_POSITIONS, 2 * Integer.highestOneBit(positions)); // seldom again
      }
      if (weights.length < group * TILE * stride) {
        weights = new float[group * TILE * stride];
      }
      if (ofKeys.length < blockLength * N) {
        ofKeys = new float[blockLength * N];
      }
      if (queries.length < group * TILE * headDim) {
        queries = new float[group * TILE * headDim];
      }
    }

    private void attend(int run, int row, int rows, int kvHead) {
      KvCache cache = batch.cache(run);
      this.rows = rows;
      int position = batch.position(run, row);
      start = Math.max(0, position + 1 - window);
      end = position + rows;
      int dim = cache.headDim();
      int length = cache.blockLength();
      int group = heads / cache.kvHeads();
      int col = kvHead * group * dim;
      for (int h = 0; h < group; h++) {
        for (int i = 0; i < rows; i++) {
          long q = qkv.row(row + i) + (col + h * dim) * 4L;
          MemorySegment.copy(qkv.data(), FLOAT, q, queries, (h * TILE + i) * dim, dim);
        }
      }
      for (int block = start / length; block * length < end; block++) {
        open(cache, block, cache.keyRow(layer, kvHead));
        for (int h = 0; h < group; h++) {
          score(h * TILE, dim);
        }
      }
      for (int h = 0; h < group; h++) {
        for (int i = 0; i < rows; i++) {
          int first = Math.max(0, position + i + 1 - window) - start;
          softmax((h * TILE + i) * stride, first, position + i + 1 - start, end - start);
        }
      }
      for (int i = 0; i < rows; i++) {
        for (int c = col; c < col + group * dim; c++) {
          out.set(row + i, c, 0);
        }
      }
      for (int block = start / length; block * length < end; block++) {
        open(cache, block, cache.valueRow(layer, kvHead));
        for (int h = 0; h < group; h++) {
          mix(h * TILE, row, col + h * dim, dim);
        }
      }
    }

    /** Goes to a block's keys or values, which begin at row {@code first} of it. */
    private void open(KvCache cache, int block, int first) {
      int begin = block * cache.blockLength();
      from = Math.max(start, begin);
      to = Math.min(end, begin + cache.blockLength());
      CpuTensor stored = CpuTensor.of(cache.block(block));
      data = stored.data();
      at = stored.row(first + from - begin);
      if (stored.dtype() != DType.F32) {
        MemorySegment room = widened.ensure(4L * cache.blockLength() * cache.headDim());
        int n = (to - from) * cache.headDim();
        if (stored.dtype() == DType.F16) {
          Lanes.widenHalves(data, at, n, room);
        } else {
          Lanes.widenBytes(data, at, n, room);
        }
        data = room;
        at = 0;
      }
    }

    /**
     * weights[i, p - start] = q_i · k_p / sqrt(dim), for all rows of a head over all positions of
     * the block that any of them sees.
     *
     * @param first row of queries and weights
     */
    private void score(int first, int dim) {
      int n = to - from;
      if (n < TILE) {
        for (int p = from; p < to; p++) {
          scoreOne(first, dim, p);
        }
        return;
      }
      // One row reads keys from memory, in four long runs (see VectorProjection); four rows find
      // most of them in the cache.
      int step = rows == 1 ? n / TILE : 1;
      int group = rows == 1 ? 1 : TILE; // from a four to the next
      int fours = n / TILE;
      if (NarrowTile.WANTED && rows == 1 && dim % N == 0) {
        scoreRow(first, dim, fours);
      } else {
        for (int i = 0; i < fours; i++) {
          scoreFour(first, dim, from + i * group, step);
        }
      }
      if (n % TILE != 0) {
        scoreFour(first, dim, to - TILE, 1); // has some of those before it: the same again
      }
    }

    /** Scores of one row, of positions p, p + run, p + 2 run, p + 3 run for all p < from + run. */
    private void scoreRow(int first, int dim, int run) {
      NarrowAttention.scores(queries, first * dim, dim, data, at, run, ofKeys);
      int score = first * stride + from - start;
      float scale = scale(dim);
      for (int i = 0; i < TILE * run; i++) {
        weights[score + i % TILE * run + i / TILE] = NarrowTile.sum(ofKeys, i * N) * scale;
      }
    }

    /** Scores of positions p, p + step, p + 2 step, p + 3 step. */
    private void scoreFour(int first, int dim, int p, int step) {
      int body = F32Dot.INSTANCE.body(dim);
      int query = first * dim;
      long bytes = 4L * step * dim;
      long key = at + 4L * (p - from) * dim;
      if (rows == TILE) {
        Tile.dot4x4(queries, query, dim, data, key, bytes, body, lanes);
      } else {
        F32Dot.INSTANCE.dot1x4(queries, query, data, key, bytes, body, lanes);
      }
      for (int i = 0; i < rows; i++) {
        Lanes.sum4(lanes, TILE * i * N, sums, 0, 1);
        for (int j = 0; j < TILE; j++) {
          float dot = tail(query + i * dim, key + j * bytes, body, dim, sums[j]);
          weights[(first + i) * stride + p + j * step - start] = dot * scale(dim);
        }
      }
    }

    private void scoreOne(int first, int dim, int p) {
      int body = F32Dot.INSTANCE.body(dim);
      long key = at + 4L * (p - from) * dim;
      for (int i = 0; i < rows; i++) {
        int query = (first + i) * dim;
        float dot = F32Dot.INSTANCE.dot(queries, query, data, key, body);
        dot = tail(query, key, body, dim, dot);
        weights[(first + i) * stride + p - start] = dot * scale(dim);
      }
    }

    private static float scale(int dim) {
      return (float) (1 / Math.sqrt(dim));
    }

    private float tail(int query, long key, int body, int dim, float sum) {
      float value = sum;
      for (int c = body; c < dim; c++) {
        value = Math.fma(queries[query + c], data.get(FLOAT, key + c * 4L), value);
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

    /** out[row + i, col + c] += Σ weights[first + i, p] v_p[c], over the block. */
    private void mix(int first, int row, int col, int dim) {
      int c = 0;
      for (; NarrowTile.WANTED && c + NarrowAttention.MIXED <= dim; c += NarrowAttention.MIXED) {
        for (int i = 0; i < rows; i++) {
          int weight = (first + i) * stride + from - start;
          long sum = out.row(row + i) + (col + c) * 4L;
          NarrowAttention.mix(
              weights, weight, to - from, data, at + c * 4L, 4L * dim, out.data(), sum);
        }
      }
      for (; c + 4 * N <= dim; c += 4 * N) {
        for (int i = 0; i < rows; i++) {
          mixFour((first + i) * stride, dim, c, out.row(row + i) + (col + c) * 4L);
        }
      }
      for (; c + N <= dim; c += N) {
        for (int i = 0; i < rows; i++) {
          mixOne((first + i) * stride, dim, c, out.row(row + i) + (col + c) * 4L);
        }
      }
      for (; c < dim; c++) {
        for (int i = 0; i < rows; i++) {
          mixElement((first + i) * stride, dim, c, out.row(row + i) + (col + c) * 4L);
        }
      }
    }

    private void mixFour(int weight, int dim, int c, long sum) {
      MemorySegment o = out.data();
      FloatVector m0 = FloatVector.fromMemorySegment(F, o, sum, LE);
      FloatVector m1 = FloatVector.fromMemorySegment(F, o, sum + N * 4L, LE);
      FloatVector m2 = FloatVector.fromMemorySegment(F, o, sum + N * 8L, LE);
      FloatVector m3 = FloatVector.fromMemorySegment(F, o, sum + N * 12L, LE);
      float[] w = weights;
      MemorySegment v = data;
      int first = weight + from - start;
      int n = to - from;
      long value = at + c * 4L;
      for (int p = 0; p < n; p++) {
        FloatVector by = FloatVector.broadcast(F, w[first + p]);
        long k = value + 4L * p * dim;
        m0 = by.fma(FloatVector.fromMemorySegment(F, v, k, LE), m0);
        m1 = by.fma(FloatVector.fromMemorySegment(F, v, k + N * 4L, LE), m1);
        m2 = by.fma(FloatVector.fromMemorySegment(F, v, k + N * 8L, LE), m2);
        m3 = by.fma(FloatVector.fromMemorySegment(F, v, k + N * 12L, LE), m3);
      }
      m0.intoMemorySegment(o, sum, LE);
      m1.intoMemorySegment(o, sum + N * 4L, LE);
      m2.intoMemorySegment(o, sum + N * 8L, LE);
      m3.intoMemorySegment(o, sum + N * 12L, LE);
    }

    private void mixOne(int weight, int dim, int c, long sum) {
      FloatVector mixed = FloatVector.fromMemorySegment(F, out.data(), sum, LE);
      long value = at + c * 4L;
      for (int p = from; p < to; p++) {
        FloatVector by = FloatVector.broadcast(F, weights[weight + p - start]);
        long k = value + 4L * (p - from) * dim;
        mixed = by.fma(FloatVector.fromMemorySegment(F, data, k, LE), mixed);
      }
      mixed.intoMemorySegment(out.data(), sum, LE);
    }

    private void mixElement(int weight, int dim, int c, long sum) {
      float mixed = out.data().get(FLOAT, sum);
      for (int p = from; p < to; p++) {
        float value = data.get(FLOAT, at + 4L * ((long) (p - from) * dim + c));
        mixed = Math.fma(weights[weight + p - start], value, mixed);
      }
      out.data().set(FLOAT, sum, mixed);
    }
  }
}
