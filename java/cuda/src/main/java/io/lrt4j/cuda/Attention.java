package io.lrt4j.cuda;

import static io.lrt4j.cuda.CudaTensor.floats;
import static io.lrt4j.cuda.Kernels.THREADS;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Tensor;
import jcuda.driver.CUfunction;
import org.jspecify.annotations.Nullable;

/**
 * Attention over the caches of a batch, and what writes to them. Rows that are written go through
 * kernels that stream keys and values; those that are read through tensor cores. Its user holds the
 * turn.
 */
final class Attention {
  private static final int SPAN = 128; // positions, and threads of a block, as in attend.cu
  private static final int HEADS = 4; // of a block, as in attend.cu
  private static final int FEW_ROWS = 16; // too few blocks, unless each span of positions has one
  private static final int QUERIES = 64; // of a block, as in attend_tiles.cu
  private static final int LONG_SPAN = 1024; // positions, as in attend_tiles.cu
  private static final int LARGEST_HEAD = 256; // as in attend.cu and rope.cu

  private final Device device;
  private final Commands launch;
  private final Sequences sequences;
  private final Scratch parts; // of rows' results, one of each span

  Attention(Device device) {
    this.device = device;
    launch = device.commands();
    sequences = new Sequences(device);
    parts = new Scratch(device);
  }

  void ropeAndStore(
      Tensor qkv,
      Batch batch,
      int layer,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope) {
    KvCache first = batch.cache(0);
    checkHead(first);
    int dim = first.headDim();
    sequences.describe(batch);
    launch
        .of(device.kernels().ropeAndStore)
        .pointer(floats(qkv))
        .number(qkv.cols() / dim - 2 * first.kvHeads())
        .number(first.kvHeads())
        .number(dim)
        .pointer(queryNorm == null ? 0 : floats(queryNorm))
        .pointer(keyNorm == null ? 0 : floats(keyNorm))
        .number(eps)
        .pointer(floats(rope))
        .pointer(sequences.rows())
        .pointer(sequences.table())
        .number(layer)
        .number(first.blockLength())
        .run(batch.rows(), 1, THREADS);
  }

  void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out) {
    Kernels.checkRows(batch.rows());
    KvCache first = batch.cache(0);
    checkHead(first);
    sequences.describe(batch);
    int rows = batch.rows();
    @Nullable CUfunction tiles = tiles(first, heads);
    int few = tiles == null ? rows : batch.written();
    if (few > 0) {
      attendRows(qkv, batch, few, layer, heads, window, out);
    }
    if (tiles != null && few < rows) {
      attendTiles(tiles, qkv, batch, few, layer, heads, window, out);
    }
  }

  /** What computes rows that are read, or null if all go through the other kernels. */
  private @Nullable CUfunction tiles(KvCache cache, int heads) {
    if (heads / cache.kvHeads() <= QUERIES) {
      for (int i = 0; i < Kernels.TILED_HEADS.length; i++) {
        if (cache.headDim() <= Kernels.TILED_HEADS[i]) {
          return device.kernels().attendTiles[i];
        }
      }
    }
    return null;
  }

  private void attendRows(
      Tensor qkv, Batch batch, int rows, int layer, int heads, int window, Tensor out) {
    int kvHeads = batch.cache(0).kvHeads();
    int blocks = kvHeads * Math.ceilDiv(heads / kvHeads, HEADS);
    // Spans of a row, rounded up, so that a step is like the one before for as long as can be.
    int spans = Math.min(batch.positions() - 1, window) / SPAN + 2;
    int most = Integer.highestOneBit(2 * spans - 1);
    if (rows > FEW_ROWS || batch.positions() <= SPAN) {
      attention(device.kernels().attend, qkv, batch, layer, heads, window)
          .pointer(floats(out))
          .run(blocks, rows, SPAN);
      return;
    }
    long parts = parts(batch, rows, heads, most);
    attention(device.kernels().attendSpans, qkv, batch, layer, heads, window)
        .pointer(parts)
        .number(most)
        .run(blocks, rows, most, SPAN);
    fold(batch, 0, rows, parts, most, SPAN, heads, window, out);
  }

  /** Rows from {@code from} on, by tensor cores. */
  private void attendTiles(
      CUfunction kernel,
      Tensor qkv,
      Batch batch,
      int from,
      int layer,
      int heads,
      int window,
      Tensor out) {
    int rows = batch.rows() - from;
    int all = Math.ceilDiv(batch.positions(), LONG_SPAN);
    int seen = Math.min(window, batch.positions()) - 1; // before a row
    int most = Math.min(all, seen / LONG_SPAN + 2); // of a row
    int spans = Math.min(all, (seen + QUERIES) / LONG_SPAN + 2); // of a tile
    long parts = most == 1 ? 0 : parts(batch, rows, heads, most);
    attention(kernel, qkv, batch, layer, heads, window)
        .number(from)
        .pointer(floats(out))
        .pointer(parts)
        .number(most)
        .run(batch.cache(0).kvHeads(), rows, spans, 2 * QUERIES);
    if (most > 1) {
      fold(batch, from, rows, parts, most, LONG_SPAN, heads, window, out);
    }
  }

  private long parts(Batch batch, int rows, int heads, int most) {
    return parts.floats((long) rows * heads * most * (batch.cache(0).headDim() + 2));
  }

  private void fold(
      Batch batch,
      int from,
      int rows,
      long parts,
      int most,
      int span,
      int heads,
      int window,
      Tensor out) {
    launch
        .of(device.kernels().attendFold)
        .pointer(parts)
        .number(most)
        .number(span)
        .number(heads)
        .number(batch.cache(0).headDim())
        .number(window)
        .pointer(sequences.row(from))
        .pointer(floats(out) + CudaTensor.of(out).offset(from))
        .run(heads, rows, SPAN);
  }

  /** What the kernels of {@code attend.cu} begin with. */
  private Commands attention(
      CUfunction kernel, Tensor qkv, Batch batch, int layer, int heads, int window) {
    KvCache first = batch.cache(0);
    return launch
        .of(kernel)
        .pointer(floats(qkv))
        .pointer(qkv.cols())
        .number(heads)
        .number(first.kvHeads())
        .number(first.headDim())
        .number(window)
        .pointer(sequences.rows())
        .pointer(sequences.table())
        .number(layer)
        .number(first.blockLength());
  }

  private static void checkHead(KvCache cache) {
    if (cache.headDim() > LARGEST_HEAD) {
      throw new IllegalArgumentException(
          "backend cuda takes heads of at most " + LARGEST_HEAD + ", found " + cache.headDim());
    }
  }
}
