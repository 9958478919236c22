package io.lrt4j.compute;

import io.lrt4j.CacheMemoryException;
import io.lrt4j.CacheType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * How much keys and values may take up, the sum of all {@link KvStore}s of an engine, and the type
 * that they are stored in.
 */
public final class CacheMemory {
  private static final String ADVICE = "; ask for fewer tokens, samples or answers at a time";

  private final DType type;
  private long limit; // guarded by this, as all that follows is
  private final List<KvStore> stores = new ArrayList<>();
  private final List<PrefixCache> prefixes = new ArrayList<>();
  private long used;

  /** At most {@code limit} bytes, of f32. */
  public CacheMemory(long limit) {
    this(limit, DType.F32);
  }

  /** At most {@code limit} bytes. */
  public CacheMemory(long limit, DType type) {
    this.limit = limit;
    this.type = type;
  }

  /**
   * As much as there is until {@link #limit(long)} says otherwise, of the type that is asked for.
   *
   * @param rounded whether the base model has weights in q8 or q4, see {@link CacheType#AUTO}
   */
  public static CacheMemory of(CacheType type, boolean rounded, Backend backend) {
    return new CacheMemory(
        Long.MAX_VALUE,
        switch (type) {
          case AUTO -> rounded && backend.caches(DType.F16) ? DType.F16 : DType.F32;
          case F32 -> DType.F32;
          case F16 -> DType.F16;
          case Q8 -> DType.Q8;
        });
  }

  /** As much as the machine has, of f32. */
  public static CacheMemory unlimited() {
    return new CacheMemory(Long.MAX_VALUE);
  }

  /** Bytes in use, or kept for the next sequences. */
  synchronized long used() {
    return used;
  }

  /** What keys and values are stored in, as far as heads are whole blocks of it. */
  public DType type() {
    return type;
  }

  /** Bytes that may be in use. */
  public synchronized long limit() {
    return limit;
  }

  /** From now on at most so many bytes. */
  public synchronized void limit(long bytes) {
    limit = bytes;
  }

  synchronized void add(KvStore store) {
    stores.add(store);
  }

  synchronized void add(PrefixCache cache) {
    prefixes.add(cache);
  }

  synchronized void remove(PrefixCache cache) {
    prefixes.remove(cache);
  }

  synchronized void remove(KvStore store) {
    stores.remove(store);
  }

  /**
   * Counts {@code bytes} in.
   *
   * @throws CacheMemoryException if they are too many, even without what stores keep in reserve
   */
  synchronized void take(long bytes) {
    if (!offer(bytes)) {
      throw new CacheMemoryException(
          String.format(
              Locale.ROOT,
              "no room for more keys and values: %.1f of %.1f MiB (cacheMemory) are in use%s",
              used / 0x1p20,
              limit / 0x1p20,
              ADVICE));
    }
  }

  /** Counts {@code bytes} in, unless they are too many even without what is kept in reserve. */
  synchronized boolean offer(long bytes) {
    if (used + bytes > limit) {
      stores.forEach(KvStore::trim);
    }
    for (int i = 0; i < prefixes.size(); i++) {
      while (used + bytes > limit && prefixes.get(i).evict()) {
        stores.forEach(KvStore::trim);
      }
    }
    if (used + bytes > limit) {
      return false;
    }
    used += bytes;
    return true;
  }

  /**
   * Does what allocates memory for an answer. A device may be full before the limit is reached: as
   * long as something there is kept in reserve, that makes room, and it is tried again.
   *
   * @param what it is for
   * @throws CacheMemoryException if a device has no memory for it, even without what was in reserve
   */
  public <T> T allocate(String what, Supplier<T> allocation) {
    while (true) {
      try {
        return allocation.get();
      } catch (DeviceMemoryException e) {
        if (!giveBack()) {
          throw new CacheMemoryException("no room for " + what + ": " + e.getMessage() + ADVICE, e);
        }
      }
    }
  }

  /** Frees blocks that nobody uses or, if there are none, what was not used for longest. */
  private synchronized boolean giveBack() {
    long before = used;
    stores.forEach(KvStore::trim);
    for (int i = 0; i < prefixes.size(); i++) {
      while (used == before && prefixes.get(i).evict()) {
        stores.forEach(KvStore::trim);
      }
    }
    return used < before;
  }

  synchronized void give(long bytes) {
    used -= bytes;
  }
}
