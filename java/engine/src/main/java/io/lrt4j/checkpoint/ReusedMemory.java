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
  private long used; // of the block
  private long wanted; // by all of this time
  private long most; // of any time before

  /** What was handed out is no longer needed: one block has room for as much from now on. */
  void reuse() {
    if (wanted > block.byteSize()) {
      arena.close();
      arena = Arena.ofShared();
      block = MemorySegment.NULL;
    }
    most = Math.max(most, wanted);
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
      block = SystemMemory.allocate(Math.max(size, most), CACHE_LINE, arena);
      used = 0;
    }
    used += size;
    return block.asSlice(used - size, bytes);
  }

  @Override
  public void close() {
    arena.close();
  }
}
