package io.lrt4j.compute;

import io.lrt4j.CacheMemoryException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Beginnings of sequences that were read before: a system prompt, examples, a conversation that
 * goes on. Blocks of keys and values are found by what they continue and by the tokens that they
 * begin with, and shared, the last one of a sequence too, full or not: its first owner goes on
 * writing behind what is known of it, and whoever wants to go on otherwise has a copy of his own,
 * as of a fork. What is computed from them is the same to the bit. Final hidden states, which a
 * reasoning network needs of every token, can be kept with them. The least recently used go first:
 * when the share of the memory that this may take is used up, or when a sequence needs it. Shared
 * by threads.
 */
public final class PrefixCache implements AutoCloseable {
  /**
   * Tokens of a block that are worth a copy of it. What all prompts of a chat template begin with
   * is less.
   */
  static final int LEAST = 8;

  /**
   * Where a block stands: behind which other, 0 for none, and with which tokens. Numbers of blocks
   * are never used again, so what follows one that is gone is never found. In order, those that
   * have most in common are neighbours.
   */
  private static final class Place implements Comparable<Place> {
    private final long parent;
    private final int[] tokens;

    Place(long parent, int[] tokens) {
      this.parent = parent;
      this.tokens = tokens;
    }

    /** How many tokens both begin with. */
    int common(Place other) {
      if (parent != other.parent) {
        return 0;
      }
      int differing = Arrays.mismatch(tokens, other.tokens);
      return differing < 0 ? tokens.length : differing;
    }

    boolean beginsWith(Place other) {
      return common(other) == other.tokens.length;
    }

    @Override
    public int compareTo(Place other) {
      int order = Long.compare(parent, other.parent);
      return order == 0 ? Arrays.compare(tokens, other.tokens) : order;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Place place && compareTo(place) == 0;
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
  private final int least; // tokens that are looked for
  private final Map<Place, Entry> entries = new LinkedHashMap<>(16, 0.75f, true); // oldest first
  private final NavigableSet<Place> places = new TreeSet<>(); // of them; none begins with another
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
    least = Math.min(LEAST, store.blockLength());
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
    synchronized (lock) {
      List<Place> used = new ArrayList<>();
      List<KvStore.Block> blocks = new ArrayList<>();
      long parent = 0;
      int known = 0;
      while (known == blocks.size() * store.blockLength()) {
        Place wanted = place(parent, tokens, known);
        Place nearest = nearest(wanted);
        if (nearest == null) {
          break;
        }
        Entry entry = Objects.requireNonNull(entries.get(nearest));
        int common = Math.min(nearest.common(wanted), tokens.length - 1 - known);
        if (common < least || (hidden != null && entry.hidden == null)) {
          break;
        }
        if (hidden != null && entry.hidden != null) {
          backend.copyRows(entry.hidden, 0, hidden, known, common);
        }
        used.add(nearest);
        blocks.add(entry.block);
        parent = entry.number;
        known += common;
      }
      cache.adopt(blocks, known);
      touch(used);
      return known;
    }
  }

  /** The block behind {@code parent} with the tokens from {@code at} on, as many as there are. */
  private Place place(long parent, int[] tokens, int at) {
    int end = Math.min(tokens.length, at + store.blockLength());
    return new Place(parent, Arrays.copyOfRange(tokens, at, end));
  }

  /** One of those that have most in common with it; null if there is none. */
  private @Nullable Place nearest(Place wanted) {
    Place before = places.floor(wanted);
    Place behind = places.ceiling(wanted);
    if (before == null || behind == null) {
      return before == null ? behind : before;
    }
    return before.common(wanted) >= behind.common(wanted) ? before : behind;
  }

  /** They were used just now, the first of a sequence last: no block outlives what it continues. */
  private void touch(List<Place> used) {
    used.reversed().forEach(entries::get);
  }

  /**
   * Remembers the blocks of a sequence that has been read, the last one up to its present end.
   *
   * @param tokens all of the sequence's
   * @param hidden final hidden states of its tokens, [at least n, d]; null if there are none
   */
  public void keep(int[] tokens, KvCache cache, @Nullable Tensor hidden) {
    int length = store.blockLength();
    synchronized (lock) {
      List<Place> used = new ArrayList<>();
      long parent = 0;
      // Never more than it may hold, or a sequence's end would push out its beginning.
      for (int at = 0; tokens.length - at >= least && used.size() < most; at += length) {
        Place place = place(parent, tokens, at);
        Place known = places.ceiling(place);
        if (known == null || !known.beginsWith(place)) {
          makeRoom(place);
          Entry entry = entry(cache, at, hidden, place.tokens.length);
          if (entry == null) {
            break;
          }
          known = place;
          entries.put(place, entry);
          places.add(place);
        }
        used.add(known);
        parent = Objects.requireNonNull(entries.get(known)).number;
      }
      touch(used);
    }
  }

  /** For one more, in place of what it begins with or of what was not used for longest. */
  private void makeRoom(Place place) {
    Place shorter = places.floor(place);
    if (shorter != null && place.beginsWith(shorter)) {
      drop(shorter, Objects.requireNonNull(entries.remove(shorter)));
    } else if (entries.size() == most) {
      evict();
    }
  }

  /** The block of {@code rows} tokens from {@code at} on; null if there is no memory for it. */
  private @Nullable Entry entry(KvCache cache, int at, @Nullable Tensor hidden, int rows) {
    int block = at / store.blockLength();
    if (hidden == null || hiddenSize == 0) {
      return new Entry(++numbers, cache.share(block), null, null);
    }
    if (!lock.offer(hiddenBytes)) {
      return null;
    }
    Memory memory = backend.newMemory();
    boolean made = false;
    try {
      Tensor kept =
          lock.allocate("hidden states", () -> memory.allocate(store.blockLength(), hiddenSize));
      backend.copyRows(hidden, at, kept, 0, rows);
      made = true;
      return new Entry(++numbers, cache.share(block), memory, kept);
    } catch (CacheMemoryException e) {
      return null;
    } finally {
      if (!made) {
        memory.close();
        lock.give(hiddenBytes);
      }
    }
  }

  /** Lets go of what was not used for longest; whether there was anything. */
  boolean evict() {
    synchronized (lock) {
      var oldest = entries.entrySet().iterator();
      if (!oldest.hasNext()) {
        return false;
      }
      Map.Entry<Place, Entry> gone = oldest.next();
      oldest.remove();
      drop(gone.getKey(), gone.getValue());
      return true;
    }
  }

  private void drop(Place place, Entry entry) {
    places.remove(place);
    store.release(entry.block);
    if (entry.memory != null) {
      entry.memory.close();
      lock.give(hiddenBytes);
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
