package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Isolated("it measures the memory of the process")
class SystemMemoryTest {
  @ParameterizedTest
  @ValueSource(longs = {1, 63, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (8 << 20) - 1, (9 << 20) + 7})
  void isZeroAlignedAndFreedWithItsArena(long bytes) {
    MemorySegment block;
    try (Arena arena = Arena.ofShared()) {
      block = SystemMemory.allocate(bytes, 64, arena);
      assertEquals(bytes, block.byteSize());
      assertEquals(0, block.address() % 64);
      assertEquals(-1, block.mismatch(MemorySegment.ofArray(new byte[(int) bytes])));
      block.fill((byte) 1);
      assertThrows(IndexOutOfBoundsException.class, () -> block.get(ValueLayout.JAVA_BYTE, bytes));
    }
    assertThrows(IllegalStateException.class, () -> block.get(ValueLayout.JAVA_BYTE, 0));
  }

  @Test
  void whatTheSystemDoesNotHaveIsRefused() {
    try (Arena arena = Arena.ofConfined()) {
      assertThrows(
          OutOfMemoryError.class, () -> SystemMemory.allocate(Long.MAX_VALUE / 2, 64, arena));
    }
  }

  /** Address space and memory, as the kernel counts them, before and after. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void goesBackToTheSystem() throws IOException {
    long before = resident();
    for (int i = 0; i < 20; i++) {
      try (Arena arena = Arena.ofShared()) {
        SystemMemory.allocate(16 << 20, 64, arena).fill((byte) 1);
      }
    }
    long kept = resident() - before;
    assertEquals(0, Math.max(0, kept) / (64 << 20), kept + " bytes stay");
  }

  private static long resident() throws IOException {
    String statm = Files.readString(Path.of("/proc/self/statm"));
    return Long.parseLong(statm.split(" ", -1)[1]) * 4096;
  }
}
