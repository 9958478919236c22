package io.lrt4j.compute.cpu.nativ;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Panels;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Weights rounded and packed in C are, byte for byte, what {@link Rounding} makes of them. */
class PackingTest {
  private static final int ROWS = 37; // no whole panels
  private static final int COLS = 7 * 32;
  private static final DType[] STORED = {DType.F32, DType.F16, DType.BF16};
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void roundsToTheSameBytes(DType type) {
    assumeTrue(NativeBackend.missing().isEmpty());
    long bytes = Weight.bytes(type, ROWS, COLS, true);
    for (DType stored : STORED) {
      try (var arena = Arena.ofShared()) {
        Weight weight = weight(stored, arena);
        MemorySegment rows = arena.allocate(Weight.bytes(type, ROWS, COLS, false));
        Weight rounded = Rounding.round(weight, type, rows);
        MemorySegment expected = Panels.pack(rounded, arena.allocate(bytes)).data();
        for (Isa isa : Isa.values()) {
          if (isa.compareTo(Isa.best()) <= 0) {
            MemorySegment packed = arena.allocate(bytes);
            try (var backend = new NativeBackend(2, isa)) {
              int from = NativeMemory.number(stored);
              backend.pack(from, NativeMemory.number(type), ROWS, COLS, weight.data(), packed);
            }
            assertEquals(-1, expected.mismatch(packed), stored + " on " + isa);
          }
        }
      }
    }
  }

  /**
   * Off any alignment, block by block of another kind: bell-shaped, halfway between two whole
   * numbers, tiny, any bits at all, huge, zero, and bell-shaped but for one NaN or infinity.
   */
  private static Weight weight(DType stored, Arena arena) {
    var random = new SplittableRandom(3);
    int size = stored.blockBytes();
    MemorySegment data = arena.allocate((long) ROWS * COLS * size + 1).asSlice(1);
    for (int i = 0; i < ROWS * COLS; i++) {
      int kind = i / 32 % 8;
      float value =
          switch (kind) {
            case 0 -> (float) random.nextGaussian();
            case 1 -> (random.nextInt(31) - 15) / 2f;
            case 2 -> (float) (random.nextGaussian() * 0x1p-24);
            case 3 -> Float.intBitsToFloat(random.nextInt());
            case 4 -> (float) (random.nextGaussian() * 0x1p15);
            case 5 -> random.nextBoolean() ? 0f : -0f;
            default -> i % 32 == 5 ? 1 / (random.nextInt(3) - 1f) : (float) random.nextGaussian();
          };
      if (kind == 7 && i % 32 == 9) {
        value = Float.NaN;
      }
      int bits = Float.floatToIntBits(value); // one NaN for all: no two ways agree on their bits
      switch (stored) {
        case F32 -> data.set(INT, i * 4L, bits);
        case F16 -> data.set(SHORT, i * 2L, Float.floatToFloat16(Float.intBitsToFloat(bits)));
        default -> data.set(SHORT, i * 2L, (short) (bits >> 16));
      }
    }
    return new Weight(stored, ROWS, COLS, data);
  }
}
