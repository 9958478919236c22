package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.CacheMemoryException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Keys and values of all sequences of one model, in blocks of a fixed number of positions. A block
 * holds its positions for all layers, [2 layers kvHeads blockLength, headDim]: layer by layer first
 * the keys, then the values, head by head, position after position. Sequences are {@link KvCache}s,
 * tables of blocks. Free blocks stay for the next sequences, as new ones cost the system a write of
 * all their bytes; those that nobody has needed for {@link #IDLE_SECONDS} are given back. Shared by
 * threads.
 */
public final class KvStore implements AutoCloseable {
  /** Positions in a block: few enough to waste little, enough for long runs of memory. */
  public static final int BLOCK = 64;

  /** Bytes of free blocks that are kept, however long nobody needs them. */
  static final long KEPT = 64L << 20;

  private static final long IDLE_SECONDS = 30;

  /** One block. */
  static final class Block {
    final Memory memory;
    final Tensor data;
    int references; // guarded by the store's lock

    Block(Memory memory, Tensor data) {
      this.memory = memory;
      this.data = data;
    }
  }

  private final Backend backend;
  private final DType type;
  private final int layers;
  private final int kvHeads;
  private final int headDim;
  private final int blockLength;
  private final long blockBytes;
  private final CacheMemory lock; // the memory, and the lock of all its stores
  private final Deque<Block> free = new ArrayDeque<>(); // the last used first
  private int idle; // fewest free blocks since the last look
  private boolean watched; // whether there is a next look
  private boolean closed;

  /** A store of blocks of {@link #BLOCK} positions. */
  public KvStore(Backend backend, int layers, int kvHeads, int headDim, CacheMemory memory) {
    this(backend, layers, kvHeads, headDim, BLOCK, memory);
  }

  /**
   * A store of blocks of {@code blockLength} positions.
   *
   * @throws BackendException if the backend has no kernels for the memory's type
   */
  public KvStore(
      Backend backend, int layers, int kvHeads, int headDim, int blockLength, CacheMemory memory) {
    boolean whole = headDim % memory.type().blockElements() == 0;
    type = whole ? memory.type() : DType.F32;
    if (!backend.caches(memory.type())) {
      throw new BackendException(
          "backend "
              + backend.name()
              + " does not store keys and values in "
              + memory.type().name().toLowerCase(Locale.ROOT)
              + ": use --backend native, vector or scalar");
    }
    this.backend = backend;
    this.layers = layers;
    this.kvHeads = kvHeads;
    this.headDim = headDim;
    this.blockLength = blockLength;
    blockBytes = type.bytes(Math.multiplyExact((long) rows(), (long) headDim));
    lock = memory;
    memory.add(this);
  }

  private int rows() {
    return Math.multiplyExact(Math.multiplyExact(2 * layers, kvHeads), blockLength);
  }

  /** An empty sequence; it takes memory as it is written. */
  public KvCache newCache() {
    return new KvCache(this);
  }

  /** What keys and values are stored in: f32 if heads are no whole blocks of the memory's type. */
  public DType type() {
    return type;
  }

  /** Positions in a block. */
  public int blockLength() {
    return blockLength;
  }

  public int kvHeads() {
    return kvHeads;
  }

  public int headDim() {
    return headDim;
  }

  /** What its blocks are counted in, with those of other stores. */
  public CacheMemory memory() {
    return lock;
  }

  /** Bytes of a block. */
  long blockBytes() {
    return blockBytes;
  }

  /** How many sequences of {@code positions} positions the whole memory could hold. */
  public long capacity(int positions) {
    long blocks = Math.ceilDiv(positions, blockLength);
    return lock.limit() / Math.max(1, blocks * blockBytes);
  }

  /**
   * A block for one owner; what is in it is unspecified.
   *
   * @throws CacheMemoryException if memory is used up
   */
  Block take() {
    synchronized (lock) {
      if (closed) {
        throw new IllegalStateException("the store of keys and values is closed");
      }
      Block block = free.poll();
      idle = Math.min(idle, free.size());
      if (block == null) {
        block = allocate();
      }
      block.references = 1;
      return block;
    }
  }

  private Block allocate() {
    lock.take(blockBytes);
    boolean made = false;
    try {
      Memory memory = backend.newMemory();
      try {
        Block block = newBlock(memory);
        made = true;
        return block;
      } finally {
        if (!made) {
          memory.close();
        }
      }
    } finally {
      if (!made) {
        lock.give(blockBytes);
      }
    }
  }

  private Block newBlock(Memory memory) {
    return lock.allocate(
        "more keys and values", () -> new Block(memory, memory.allocate(type, rows(), headDim)));
  }

  /** One more owner for the first {@code count} blocks. */
  void share(Block[] blocks, int count) {
    synchronized (lock) {
      for (int i = 0; i < count; i++) {
        blocks[i].references++;
      }
    }
  }

  /** One owner less. */
  void release(Block block) {
    synchronized (lock) {
      if (--block.references == 0) {
        if (closed) {
          drop(block);
        } else {
          free.push(block);
          watch();
        }
      }
    }
  }

  /** Looks after a while what is too much, if there is anything. */
  private void watch() {
    if (!watched && free.size() * blockBytes > KEPT) {
      watched = true;
      idle = free.size();
      CompletableFuture.delayedExecutor(IDLE_SECONDS, TimeUnit.SECONDS).execute(this::giveBack);
    }
  }

  /** Frees the blocks that nobody has needed since the last look. */
  void giveBack() {
    synchronized (lock) {
      List<Block> blocks = new ArrayList<>();
      while (blocks.size() < idle && free.size() * blockBytes > KEPT) {
        blocks.add(free.removeLast());
      }
      watched = false;
      watch();
      Closing.each(blocks, this::drop);
    }
  }

  /**
   * The same block if it has one owner, else a copy in its place.
   *
   * @throws CacheMemoryException if there is no memory for that
   */
  Block own(Block block) {
    Block copy;
    synchronized (lock) {
      if (block.references == 1) {
        return block;
      }
      try {
        copy = take();
      } catch (CacheMemoryException e) {
        if (block.references == 1) { // the other owner was a beginning that had to go
          return block;
        }
        throw e;
      }
    }
    backend.copyRows(block.data, 0, copy.data, 0, rows());
    release(block);
    return copy;
  }

  /** Frees what nobody uses. */
  void trim() {
    synchronized (lock) {
      List<Block> blocks = List.copyOf(free);
      free.clear();
      idle = 0;
      Closing.each(blocks, this::drop);
    }
  }

  private void drop(Block block) {
    try {
      block.memory.close();
    } finally {
      lock.give(blockBytes);
    }
  }

  /** Frees what nobody uses; the rest goes with the sequences that are still open. */
  @Override
  public void close() {
    synchronized (lock) {
      closed = true;
      lock.remove(this);
      trim();
    }
  }

  /** Row of a block at which the keys of a head begin. */
  int keyRow(int layer, int head) {
    return (2 * layer * kvHeads + head) * blockLength;
  }

  /** Row of a block at which the values of a head begin. */
  int valueRow(int layer, int head) {
    return ((2 * layer + 1) * kvHeads + head) * blockLength;
  }
}
