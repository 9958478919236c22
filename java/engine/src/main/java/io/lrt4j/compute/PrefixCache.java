package io.lrt4j.compute;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Beginnings of sequences that were read before: a system prompt, examples, a conversation that
 * goes on. Full blocks of keys and values are found by what they continue and by their tokens, and
 * shared; nothing is copied, and what is computed from them is the same to the bit. Final hidden
 * states, which a reasoning network needs of every token, can be kept with them. The least recently
 * used go first: when the share of the memory that this may take is used up, or when a sequence
 * needs it. Shared by threads.
 */
public final class PrefixCache implements AutoCloseable {
  /**
   * Where a block stands: behind which other, 0 for none, and with which tokens. Numbers of blocks
   * are never used again, so what follows one that is gone is never found.
   */
  private static final class Place {
    private final long parent;
    private final int[] tokens;

    Place(long parent, int[] tokens) {
      this.parent = parent;
      this.tokens = tokens;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Place place
          && parent == place.parent
          && Arrays.equals(tokens, place.tokens);
    }

    @Override
    public int hashCode() {
      return 31 * Long.hashCode(parent) + Arrays.hashCode(tokens);
    }
  }

  /**
   * A block, of which this holds one reference.
   *
   * @param hidden final hidden states of its tokens, [block, d], in a memory of their own
   */
  private record Entry(
      long number, KvStore.Block block, @Nullable Memory memory, @Nullable Tensor hidden) {}

  private final Backend backend;
  private final KvStore store;
  private final CacheMemory lock; // the memory, and the lock of all its users
  private final int hiddenSize;
  private final long hiddenBytes; // of a block
  private final long most; // entries
  private final Map<Place, Entry> entries = new LinkedHashMap<>(16, 0.75f, true); // oldest first
  private long numbers;

  /**
   * An empty one.
   *
   * @param hiddenSize width of the hidden states that are kept too; 0 for none
   * @param bytes most memory that it may take
   */
  public PrefixCache(
      Backend backend, KvStore store, CacheMemory memory, int hiddenSize, long bytes) {
    this.backend = backend;
    this.store = store;
    this.hiddenSize = hiddenSize;
    lock = memory;
    hiddenBytes = DType.F32.bytes((long) store.blockLength() * hiddenSize);
    most = bytes / (store.blockBytes() + hiddenBytes);
    memory.add(this);
  }

  /** Whether hidden states are kept. */
  public boolean keepsHidden() {
    return hiddenSize > 0 && most > 0;
  }

  /**
   * Fills an empty sequence with as much of its beginning as is known, all of its tokens but the
   * last at most: what follows them must be computed.
   *
   * @param hidden receives their final hidden states, [at least n, d]; null if they are not needed
   * @return how many tokens are there
   */
  public int restore(int[] tokens, KvCache cache, @Nullable Tensor hidden) {
    int length = store.blockLength();
    synchronized (lock) {
      List<Place> places = new ArrayList<>();
      List<KvStore.Block> blocks = new ArrayList<>();
      long parent = 0;
      for (int at = 0; at + length < tokens.length; at += length) {
        Place place = new Place(parent, Arrays.copyOfRange(tokens, at, at + length));
        Entry entry = entries.get(place);
        if (entry == null) {
          break;
        }
        if (hidden != null) {
          if (entry.hidden == null) {
            break;
          }
          backend.copyRows(entry.hidden, 0, hidden, at, length);
        }
        places.add(place);
        blocks.add(entry.block);
        parent = entry.number;
      }
      cache.adopt(blocks);
      places.reversed().forEach(entries::get); // so that no block outlives what it continues
      return blocks.size() * length;
    }
  }

  /**
   * Remembers the full blocks of a sequence that has been read.
   *
   * @param hidden final hidden states of its tokens, [at least n, d]; null if there are none
   */
  public void keep(int[] tokens, KvCache cache, @Nullable Tensor hidden) {
    int length = store.blockLength();
    synchronized (lock) {
      long parent = 0;
      // Never more than it may hold, or a sequence's end would push out its beginning.
      int last = (int) Math.min(tokens.length / length, most);
      for (int i = 0; i < last; i++) {
        Place place = new Place(parent, Arrays.copyOfRange(tokens, i * length, (i + 1) * length));
        Entry entry = entries.get(place);
        if (entry == null) {
          if (entries.size() == most) {
            evict();
          }
          if (hidden != null && hiddenSize > 0 && !lock.offer(hiddenBytes)) {
            return;
          }
          entry = entry(cache.share(i), hidden, i * length);
          entries.put(place, entry);
        }
        parent = entry.number;
      }
    }
  }

  private Entry entry(KvStore.Block block, @Nullable Tensor hidden, int from) {
    if (hidden == null || hiddenSize == 0) {
      return new Entry(++numbers, block, null, null);
    }
    Memory memory = backend.newMemory();
    Tensor kept = memory.allocate(store.blockLength(), hiddenSize);
    backend.copyRows(hidden, from, kept, 0, store.blockLength());
    return new Entry(++numbers, block, memory, kept);
  }

  /** Lets go of what was not used for longest; whether there was anything. */
  boolean evict() {
    synchronized (lock) {
      var oldest = entries.entrySet().iterator();
      if (!oldest.hasNext()) {
        return false;
      }
      Entry entry = oldest.next().getValue();
      oldest.remove();
      store.release(entry.block);
      if (entry.memory != null) {
        entry.memory.close();
        lock.give(hiddenBytes);
      }
      return true;
    }
  }

  /** Blocks that are known. */
  public int size() {
    synchronized (lock) {
      return entries.size();
    }
  }

  /** Forgets everything. */
  @Override
  public void close() {
    synchronized (lock) {
      lock.remove(this);
      boolean more = true;
      while (more) {
        more = evict();
      }
    }
  }
}
