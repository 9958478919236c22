package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** What is checked before loops that check nothing. */
class ByAddressTest {
  private static final long SIZE = 64;

  @Test
  void readsWhatTheSegmentHolds() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(SIZE).asSlice(16);
      data.set(ValueLayout.JAVA_INT_UNALIGNED, 20, 42);
      MemorySegment memory = ByAddress.memory(data);
      long at = ByAddress.plus(ByAddress.of(data, 8, 16), 12);
      assertEquals(42, memory.get(ValueLayout.JAVA_INT_UNALIGNED, at));
    }
  }

  @Test
  void refusesWhatIsNotThere() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(SIZE);
      ByAddress.of(data, 0, SIZE);
      ByAddress.of(data, SIZE, 0);
      assertThrows(IndexOutOfBoundsException.class, () -> ByAddress.of(data, 0, SIZE + 1));
      assertThrows(IndexOutOfBoundsException.class, () -> ByAddress.of(data, SIZE - 4, 8));
      assertThrows(IndexOutOfBoundsException.class, () -> ByAddress.of(data, -4, 4));
      assertThrows(IndexOutOfBoundsException.class, () -> ByAddress.of(data, 8, -4));
    }
  }

  @Test
  void refusesFreedMemory() {
    Arena arena = Arena.ofConfined();
    MemorySegment data = arena.allocate(SIZE);
    arena.close();
    assertEquals(
        "memory that has been freed",
        assertThrows(IllegalStateException.class, () -> ByAddress.of(data, 0, SIZE)).getMessage());
  }

  /** An array moves, so that it has no address; {@code mvn verify} allows native access. */
  @Test
  void refusesTheHeap() {
    MemorySegment data = MemorySegment.ofArray(new byte[(int) SIZE]);
    assertEquals(
        "memory on the Java heap, expected outside it",
        assertThrows(IllegalArgumentException.class, () -> ByAddress.of(data, 0, SIZE))
            .getMessage());
  }
}
