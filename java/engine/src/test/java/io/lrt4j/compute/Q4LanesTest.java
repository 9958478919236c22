package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Blocks that are rounded side by side are, byte for byte, what they are one by one. */
class Q4LanesTest {
  private static final int BLOCK = 32;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  /** Enough for {@link Rounding} to try vectors, the last of them not full. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void roundsToTheSameBytes(DType stored) {
    int rows = (1 << 18) / (3 * BLOCK) + 1;
    try (var arena = Arena.ofShared()) {
      Weight weight = weight(stored, rows, 3 * BLOCK, arena);
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
      Weight rounded = Rounding.round(weight, DType.Q4, arena.allocate(bytes));
      assertEquals(-1, expected.mismatch(rounded.data()));
    }
  }

  /**
   * Block by block of another kind: bell-shaped, halfway between two whole numbers, tiny, any bits
   * at all, huge, zero, and bell-shaped but for one NaN or infinity.
   */
  private static Weight weight(DType stored, int rows, int cols, Arena arena) {
    var random = new SplittableRandom(3);
    MemorySegment data = arena.allocate(stored.bytes((long) rows * cols));
    for (int i = 0; i < rows * cols; i++) {
      int kind = i / BLOCK % 8;
      float value =
          switch (kind) {
            case 0 -> (float) random.nextGaussian();
            case 1 -> (random.nextInt(31) - 15) / 2f;
            case 2 -> (float) (random.nextGaussian() * 0x1p-24);
            case 3 -> Float.intBitsToFloat(random.nextInt());
            case 4 -> (float) (random.nextGaussian() * 0x1p15);
            case 5 -> random.nextBoolean() ? 0f : -0f;
            default ->
                i % BLOCK == 5 ? 1 / (random.nextInt(3) - 1f) : (float) random.nextGaussian();
          };
      if (kind == 7 && i % BLOCK == 9) {
        value = Float.NaN;
      }
      int bits = Float.floatToIntBits(value);
      switch (stored) {
        case F32 -> data.set(INT, i * 4L, bits);
        case F16 -> data.set(SHORT, i * 2L, Float.floatToFloat16(Float.intBitsToFloat(bits)));
        default -> data.set(SHORT, i * 2L, (short) (bits >> 16));
      }
    }
    return new Weight(stored, rows, cols, data);
  }
}
