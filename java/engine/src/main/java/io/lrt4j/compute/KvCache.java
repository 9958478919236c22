package io.lrt4j.compute;

import io.lrt4j.CacheMemoryException;
import java.util.Arrays;
import java.util.List;

/**
 * Keys and values of one sequence: a table of blocks of a {@link KvStore}. It grows as it is
 * written; a fork shares all blocks, and whoever goes on in a shared one copies it first. Belongs
 * to one thread.
 */
public final class KvCache implements AutoCloseable {
  private final KvStore store;
  private KvStore.Block[] blocks = new KvStore.Block[4];
  private int count; // of blocks
  private int length;
  private boolean shared; // whether the block that comes next may have other owners
  private boolean closed;

  KvCache(KvStore store) {
    this.store = store;
  }

  /** A sequence that continues this one from its present end. */
  public KvCache fork() {
    checkOpen();
    KvCache fork = new KvCache(store);
    fork.count = Math.ceilDiv(length, store.blockLength());
    fork.blocks = Arrays.copyOf(blocks, Math.max(fork.count, 1));
    fork.length = length;
    fork.shared = true;
    shared = true;
    store.share(fork.blocks, fork.count);
    return fork;
  }

  /**
   * Begins an empty sequence with the first {@code length} positions of blocks that others have
   * written, and may still be writing behind them.
   */
  void adopt(List<KvStore.Block> others, int length) {
    checkOpen();
    if (count > 0) {
      throw new IllegalStateException(
          "expected an empty sequence, found " + this.length + " positions");
    }
    blocks = others.toArray(new KvStore.Block[Math.max(1, others.size())]);
    count = others.size();
    this.length = length;
    shared = true; // the last one, unless it is full
    store.share(blocks, count);
  }

  /**
   * Block {@code i} with one more owner, who may read what is there now: this sequence goes on
   * writing behind that.
   */
  KvStore.Block share(int i) {
    checkOpen();
    store.share(new KvStore.Block[] {blocks[i]}, 1);
    return blocks[i];
  }

  /** Positions stored: the position of the next token. */
  public int length() {
    return length;
  }

  /**
   * Sees to it that {@code rows} more positions can be stored.
   *
   * @throws CacheMemoryException if there is no memory for them
   */
  public void reserve(int rows) {
    checkOpen();
    int block = store.blockLength();
    if (shared && rows > 0) {
      if (length % block != 0) {
        blocks[length / block] = store.own(blocks[length / block]);
      }
      shared = false;
    }
    int needed = Math.ceilDiv(length + rows, block);
    if (needed > blocks.length) {
      blocks = Arrays.copyOf(blocks, Math.max(needed, 2 * blocks.length));
    }
    while (count < needed) {
      blocks[count] = store.take();
      count++;
    }
  }

  /** Counts {@code rows} positions in that every layer has stored behind the end. */
  public void advance(int rows) {
    checkOpen();
    if (length + rows > count * store.blockLength()) {
      throw new IllegalStateException(
          "K/V cache of " + count + " blocks has no room for " + (length + rows) + " positions");
    }
    length += rows;
  }

  /** Forgets every position from {@code length} on; what is no longer needed is freed. */
  public void truncate(int length) {
    checkOpen();
    if (length < 0 || length > this.length) {
      throw new IllegalStateException(
          "cannot cut a cache of " + this.length + " positions to " + length);
    }
    this.length = length;
    shared = true; // perhaps
    shrink(Math.ceilDiv(length, store.blockLength()));
  }

  private void shrink(int needed) {
    if (count > needed) {
      KvStore.Block[] released = Arrays.copyOfRange(blocks, needed, count);
      count = needed;
      Closing.each(Arrays.asList(released), store::release);
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("K/V cache is closed");
    }
  }

  /** How many blocks there are. */
  public int blocks() {
    return count;
  }

  /**
   * Block {@code i}: positions from {@code i * blockLength()} on, of all layers, [2 layers kvHeads
   * blockLength, headDim].
   */
  public Tensor block(int i) {
    return blocks[i].data;
  }

  /** Positions in a block: also the stride, in rows, from head to head. */
  public int blockLength() {
    return store.blockLength();
  }

  /** Row of every block at which the keys of a head, after RoPE, begin. */
  public int keyRow(int layer, int head) {
    return store.keyRow(layer, head);
  }

  /** Row of every block at which the values of a head begin. */
  public int valueRow(int layer, int head) {
    return store.valueRow(layer, head);
  }

  public int kvHeads() {
    return store.kvHeads();
  }

  public int headDim() {
    return store.headDim();
  }

  /** Gives all blocks back; those that a fork shares live on with it. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      shrink(0);
    }
  }
}
