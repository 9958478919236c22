package io.lrt4j.compute;

import io.lrt4j.CacheMemoryException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** How much keys and values may take up: the sum of all {@link KvStore}s of an engine. */
public final class CacheMemory {
  private final long limit;
  private final List<KvStore> stores = new ArrayList<>(); // guarded by this, as all is
  private long used;

  /** At most {@code limit} bytes. */
  public CacheMemory(long limit) {
    this.limit = limit;
  }

  /** As much as the machine has. */
  public static CacheMemory unlimited() {
    return new CacheMemory(Long.MAX_VALUE);
  }

  /** Bytes in use, or kept for the next sequences. */
  public synchronized long used() {
    return used;
  }

  /** Bytes that may be in use. */
  public long limit() {
    return limit;
  }

  synchronized void add(KvStore store) {
    stores.add(store);
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
    if (used + bytes > limit) {
      stores.forEach(KvStore::trim);
    }
    if (used + bytes > limit) {
      throw new CacheMemoryException(
          String.format(
              Locale.ROOT,
              "no room for more keys and values: %.1f of %.1f MiB (cacheMemory) are in use;"
                  + " ask for fewer tokens, samples or answers at a time",
              used / 0x1p20,
              limit / 0x1p20));
    }
    used += bytes;
  }

  synchronized void give(long bytes) {
    used -= bytes;
  }
}
