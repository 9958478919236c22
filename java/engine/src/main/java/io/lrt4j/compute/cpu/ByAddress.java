package io.lrt4j.compute.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Memory by its address, for loops that have no time for the checks of each load. A segment of all
 * memory has a constant size, and the compiler sees that no address exceeds it; of other segments
 * it makes three loops out of one, and what it does before and behind the middle one takes a
 * quarter of the time of a thousand elements. What a loop reads is checked once, before it.
 *
 * <p>Without native access for lrt4j there is no such segment, and loads are checked as ever.
 *
 * <p>Nobody may free the memory meanwhile, as with native code.
 */
final class ByAddress {
  private static final long MOST = Long.MAX_VALUE >>> 1; // so that a sum is no negative number
  private static final @Nullable MemorySegment ALL = all();

  private ByAddress() {}

  @SuppressWarnings("restricted") // asked for
  private static @Nullable MemorySegment all() {
    return ByAddress.class.getModule().isNativeAccessEnabled()
        ? MemorySegment.NULL.reinterpret(Long.MAX_VALUE)
        : null;
  }

  /** Where to read at what {@link #of} gives. */
  static MemorySegment memory(MemorySegment data) {
    return ALL == null ? data : ALL;
  }

  /**
   * Where byte {@code at} of a segment outside the Java heap is; checks that {@code bytes} are, and
   * that the segment has not been closed.
   */
  static long of(MemorySegment data, long at, long bytes) {
    Objects.checkFromIndexSize(at, bytes, data.byteSize());
    if (ALL != null && !data.isNative()) {
      throw new IllegalArgumentException("memory on the Java heap, expected outside it");
    }
    long address = CpuMemory.alive(data).address();
    return plus(ALL == null ? 0 : address, at);
  }

  /** An address some bytes further on. */
  static long plus(long address, long bytes) {
    return (address + bytes) & MOST;
  }
}
