package io.lrt4j.compute;

import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one sequence, layer by layer. Head by head they lie in a row, position after
 * position: own keys of layer l are [kvHeads * capacity, headDim]. A fork shares its parent's
 * positions and stores only what comes after them. Belongs to one thread.
 */
public final class KvCache implements AutoCloseable {
  private final Backend backend;
  private final Memory memory;
  private final int layers;
  private final int kvHeads;
  private final int headDim;
  private final int capacity; // of the own part
  private final int base; // positions below it are the ancestors'
  private final @Nullable KvCache parent;
  private final KvCache[] spans; // ancestors from the root on, then this
  private final Tensor[] keys;
  private final Tensor[] values;
  private int length;
  private int children;
  private int pinned; // positions that some fork relies on
  private boolean closed;

  /** An empty cache with room for {@code capacity} positions. */
  public KvCache(Backend backend, int layers, int kvHeads, int headDim, int capacity) {
    this(backend, layers, kvHeads, headDim, capacity, null);
  }

  private KvCache(
      Backend backend,
      int layers,
      int kvHeads,
      int headDim,
      int capacity,
      @Nullable KvCache parent) {
    this.backend = backend;
    this.layers = layers;
    this.kvHeads = kvHeads;
    this.headDim = headDim;
    this.capacity = capacity;
    this.parent = parent;
    base = parent == null ? 0 : parent.length;
    length = base;
    keys = new Tensor[layers];
    values = new Tensor[layers];
    int rows = Math.multiplyExact(kvHeads, capacity);
    memory = backend.newMemory();
    try {
      for (int l = 0; l < layers; l++) {
        keys[l] = memory.allocate(rows, headDim);
        values[l] = memory.allocate(rows, headDim);
      }
    } catch (RuntimeException | Error e) {
      memory.close();
      throw e;
    }
    int depth = parent == null ? 0 : parent.spans.length;
    spans = new KvCache[depth + 1];
    if (parent != null) {
      System.arraycopy(parent.spans, 0, spans, 0, depth);
      parent.children++;
      parent.pinned = Math.max(parent.pinned, base);
    }
    spans[depth] = this;
  }

  /**
   * A cache that continues this one from its present end, sharing what is here, with room for
   * {@code capacity} more positions.
   */
  public KvCache fork(int capacity) {
    checkOpen();
    return new KvCache(backend, layers, kvHeads, headDim, capacity, this);
  }

  /** Positions stored, the ancestors' included: the position of the next token. */
  public int length() {
    return length;
  }

  /** Positions that still fit. */
  public int remaining() {
    return base + capacity - length;
  }

  /** Counts {@code rows} positions in that every layer has stored behind the end. */
  public void advance(int rows) {
    checkRoom(rows);
    length += rows;
  }

  /** Forgets every position from {@code length} on. */
  public void truncate(int length) {
    checkOpen();
    if (length < base || length > this.length || (children > 0 && length < pinned)) {
      throw new IllegalStateException(
          "cannot cut a cache of " + this.length + " positions to " + length);
    }
    this.length = length;
  }

  /** Refuses to go on when {@code rows} more positions do not fit. */
  public void checkRoom(int rows) {
    checkOpen();
    if (rows > remaining()) {
      throw new IllegalStateException(
          "K/V cache is full: "
              + length
              + " positions stored, room for "
              + remaining()
              + ", needed "
              + rows);
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("K/V cache is closed");
    }
  }

  /** How many caches hold this sequence: the ancestors and this. */
  public int spans() {
    return spans.length;
  }

  /** The cache that holds span {@code i}, from its {@link #base()} to {@link #spanEnd}. */
  public KvCache span(int i) {
    return spans[i];
  }

  /**
   * End (exclusive) of the positions of span {@code i} that belong to this sequence, of which
   * {@code end} are wanted.
   */
  public int spanEnd(int i, int end) {
    return i + 1 < spans.length ? Math.min(spans[i + 1].base, end) : end;
  }

  /** First position stored here rather than in an ancestor. */
  public int base() {
    return base;
  }

  /** Room of the own part: the stride, in positions, from head to head. */
  public int capacity() {
    return capacity;
  }

  /** Own keys of a layer, after RoPE, [kvHeads * capacity, headDim]. */
  public Tensor keys(int layer) {
    return keys[layer];
  }

  /** Own values of a layer, [kvHeads * capacity, headDim]. */
  public Tensor values(int layer) {
    return values[layer];
  }

  public int kvHeads() {
    return kvHeads;
  }

  public int headDim() {
    return headDim;
  }

  /** Bytes of the own part. */
  public long bytes() {
    return memory.bytes();
  }

  /** Frees the own part; with forks still open, once the last of them is closed. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      releaseIfUnused();
    }
  }

  private void releaseIfUnused() {
    if (closed && children == 0) {
      memory.close();
      if (parent != null) {
        parent.children--;
        if (parent.children == 0) {
          parent.pinned = 0;
        }
        parent.releaseIfUnused();
      }
    }
  }
}
