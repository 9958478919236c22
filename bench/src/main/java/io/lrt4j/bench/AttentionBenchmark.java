package io.lrt4j.bench;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Attention of one layer of Qwen3-0.6B (16 heads over 8 key/value heads of 128) over a context. As
 * in {@link ProjectionBenchmark} it goes round as many layers as no cache holds.
 */
@State(Scope.Benchmark)
public class AttentionBenchmark {
  private static final int HEADS = 16;
  private static final int KV_HEADS = 8;
  private static final int HEAD_DIM = 128;

  /** Positions before those that are computed. */
  @Param({"128", "512", "2048"})
  public int context;

  /** Tokens at once: decoding, a chunk of prefill. */
  @Param({"1", "256"})
  public int rows;

  /** What keys and values are stored in. */
  @Param({"F32", "F16", "Q8"})
  public DType type = DType.F32;

  /** All layers together, in mebibytes. */
  @Param("512")
  public int mebibytes;

  private final Batch batch = new Batch(1);
  private @Nullable KvStore store;
  private @Nullable KvCache cache;
  private @Nullable Memory memory;
  private @Nullable Tensor qkv;
  private @Nullable Tensor out;
  private int layers;
  private int next;
  private long bytes;
  private long flops;

  /** Fills a cache. */
  @Setup(Level.Trial)
  public void open(Crew crew) {
    Backend backend = crew.backend();
    int capacity = context + rows;
    bytes = type.bytes(2L * KV_HEADS * HEAD_DIM * capacity);
    layers = (int) Math.max(1, ((long) mebibytes << 20) / bytes);
    var memory = new CacheMemory(Long.MAX_VALUE, type);
    store = new KvStore(backend, layers, KV_HEADS, HEAD_DIM, memory);
    cache = store.newCache();
    cache.reserve(capacity);
    for (int i = 0; i < cache.blocks(); i++) {
      Tensor block = cache.block(i);
      backend.write(Numbers.normal(block.rows() * block.cols(), 1 + i), block, 0, block.rows());
    }
    cache.advance(context);
    batch.clear().add(cache, rows);
    int width = (HEADS + 2 * KV_HEADS) * HEAD_DIM;
    this.memory = backend.newMemory();
    qkv = this.memory.allocate(rows, width);
    out = this.memory.allocate(rows, HEADS * HEAD_DIM);
    backend.write(Numbers.normal(rows * width, 1), qkv, 0, rows);
    long positions = (long) rows * context + (rows + 1L) * rows / 2; // that all rows look at
    flops = 4L * HEADS * HEAD_DIM * positions;
  }

  /** One layer. */
  @Benchmark
  public void attend(Crew crew, Rates rates) {
    next = (next + 1) % layers;
    crew.backend()
        .attend(
            Objects.requireNonNull(qkv),
            batch,
            next,
            HEADS,
            Integer.MAX_VALUE,
            Objects.requireNonNull(out));
    rates.add(bytes, flops);
  }

  /** Frees all. */
  @TearDown(Level.Trial)
  public void close() {
    Objects.requireNonNull(memory).close();
    Objects.requireNonNull(cache).close();
    Objects.requireNonNull(store).close();
  }
}
