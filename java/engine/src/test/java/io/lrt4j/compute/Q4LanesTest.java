package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Blocks that are rounded side by side are, byte for byte, what they are one by one. */
class Q4LanesTest {
  private static final int BLOCK = 32;

  /** Enough for {@link Rounding} to try vectors, the last of them not full. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void roundsToTheSameBytes(DType stored) {
    int rows = (1 << 18) / (3 * BLOCK) + 1;
    try (var arena = Arena.ofShared()) {
      MemorySegment data = arena.allocate(stored.bytes(rows * 3L * BLOCK));
      Weight weight = HardToRound.weight(stored, rows, 3 * BLOCK, data);
      long bytes = DType.Q4.bytes((long) rows * 3 * BLOCK);
      MemorySegment expected = arena.allocate(bytes);
      float[] x = new float[BLOCK];
      for (int block = 0; block < rows * 3; block++) {
        for (int i = 0; i < BLOCK; i++) {
          x[i] = stored.load(weight.data(), (long) block * BLOCK + i);
        }
        Q4.write(x, expected, (long) block * DType.Q4.blockBytes());
      }
      MemorySegment inLanes = arena.allocate(bytes);
      Q4Lanes lanes = new Q4Lanes();
      for (int block = 0; block < rows * 3; block += Q4Lanes.LANES) {
        lanes.write(weight, block, Math.min(Q4Lanes.LANES, rows * 3 - block), inLanes);
      }
      assertEquals(-1, expected.mismatch(inLanes));
      MemorySegment rounded = arena.allocate(bytes);
      assertFalse(Rounding.write(weight, DType.Q4, rounded));
      assertEquals(-1, expected.mismatch(rounded));
    }
  }
}
