package io.lrt4j.checkpoint;

import io.lrt4j.compute.SystemMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Room for a few weights at a time, one behind the other, that the next ones take over. */
@SuppressWarnings("MustBeClosed") // its arenas live as long as it does
final class ReusedMemory implements AutoCloseable {
  private static final int CACHE_LINE = 64;

  private Arena arena = Arena.ofShared();
  private MemorySegment block = MemorySegment.NULL;
  private long used;
  private long wanted; // by those of this time

  /** What was handed out is no longer needed: one block is enough for as many from now on. */
  void reuse() {
    if (wanted > block.byteSize()) {
      arena.close();
      arena = Arena.ofShared();
      block = SystemMemory.allocate(wanted, CACHE_LINE, arena);
    }
    used = 0;
    wanted = 0;
  }

  /**
   * The next {@code bytes}.
   *
   * @throws OutOfMemoryError if the system has none
   */
  MemorySegment next(long bytes) {
    long size = Math.ceilDiv(bytes, CACHE_LINE) * (long) CACHE_LINE;
    wanted += size;
    if (used + size > block.byteSize()) {
      return SystemMemory.allocate(bytes, CACHE_LINE, arena);
    }
    used += size;
    return block.asSlice(used - size, bytes);
  }

  @Override
  public void close() {
    arena.close();
  }
}
