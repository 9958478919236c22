package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks that are rounded in vectors are, byte for byte, what they are one number at a time. */
class VectorRoundingTest {
  private static final int BLOCK = 32;

  /** Enough for {@link Rounding} to try vectors, and no whole tasks. */
  @ParameterizedTest
  @CsvSource({"F32, Q8", "F16, Q8", "BF16, Q8", "F32, Q4", "F16, Q4", "BF16, Q4"})
  void roundsToTheSameBytes(DType stored, DType type) {
    int rows = (1 << 13) / 3 + 1;
    try (var arena = Arena.ofShared()) {
      MemorySegment data = arena.allocate(stored.bytes(rows * 3L * BLOCK));
      Weight weight = HardToRound.weight(stored, rows, 3 * BLOCK, data);
      long bytes = type.bytes((long) rows * 3 * BLOCK);
      MemorySegment expected = arena.allocate(bytes);
      MemorySegment inVectors = arena.allocate(bytes);
      var vectors = new VectorRounding();
      float[] x = new float[BLOCK];
      for (int block = 0; block < rows * 3; block++) {
        for (int i = 0; i < BLOCK; i++) {
          x[i] = stored.load(weight.data(), (long) block * BLOCK + i);
        }
        Rounding.write(type, x, expected, (long) block * type.blockBytes());
        vectors.write(type, x, inVectors, (long) block * type.blockBytes());
      }
      assertEquals(-1, expected.mismatch(inVectors));
      MemorySegment rounded = arena.allocate(bytes);
      assertFalse(Rounding.write(weight, type, rounded));
      assertEquals(-1, expected.mismatch(rounded));
    }
  }
}
