package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Weights whose blocks are each of another kind. */
public final class HardToRound {
  private static final int BLOCK = 32;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private HardToRound() {}

  /**
   * Block by block bell-shaped, halfway between two whole numbers, tiny, any bits at all, huge,
   * zero, and bell-shaped but for one NaN or infinity.
   *
   * @param stored f32, f16 or bf16
   * @param data receives them
   */
  public static Weight weight(DType stored, int rows, int cols, MemorySegment data) {
    var random = new SplittableRandom(3);
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
      int bits = Float.floatToIntBits(value); // one NaN for all: no two ways agree on their bits
      switch (stored) {
        case F32 -> data.set(INT, i * 4L, bits);
        case F16 -> data.set(SHORT, i * 2L, Float.floatToFloat16(Float.intBitsToFloat(bits)));
        default -> data.set(SHORT, i * 2L, (short) (bits >> 16));
      }
    }
    return new Weight(stored, rows, cols, data);
  }
}
