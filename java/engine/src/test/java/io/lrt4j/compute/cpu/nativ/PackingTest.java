package io.lrt4j.compute.cpu.nativ;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.HardToRound;
import io.lrt4j.compute.Panels;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Weights rounded and packed in C are, byte for byte, what {@link Rounding} makes of them. */
class PackingTest {
  private static final int ROWS = 16 * 14 + 5; // the last panel is not whole
  private static final int COLS = 7 * 32;
  private static final DType[] STORED = {DType.F32, DType.F16, DType.BF16};

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void roundsToTheSameBytes(DType type) {
    assumeTrue(NativeBackend.missing().isEmpty());
    long bytes = Weight.bytes(type, ROWS, COLS, true);
    for (DType stored : STORED) {
      try (var arena = Arena.ofShared()) {
        Weight weight = weight(stored, arena);
        MemorySegment rows = arena.allocate(Weight.bytes(type, ROWS, COLS, false));
        assertFalse(Rounding.write(weight, type, rows)); // there are infinities and NaN
        Weight rounded = new Weight(type, ROWS, COLS, rows);
        MemorySegment expected = Panels.pack(rounded, arena.allocate(bytes)).data();
        for (Isa isa : Isa.available()) {
          MemorySegment packed = arena.allocate(bytes);
          try (var backend = new NativeBackend(2, isa)) {
            int from = NativeMemory.number(stored);
            int to = NativeMemory.number(type);
            assertFalse(backend.pack(from, to, ROWS, COLS, weight.data(), packed));
          }
          assertEquals(-1, expected.mismatch(packed), stored + " on " + isa);
        }
      }
    }
  }

  /** Off any alignment. */
  private static Weight weight(DType stored, Arena arena) {
    long bytes = stored.bytes((long) ROWS * COLS);
    return HardToRound.weight(stored, ROWS, COLS, arena.allocate(bytes + 1).asSlice(1));
  }
}
