package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Weights whose blocks are each of another kind. */
public final class HardToRound {
  private static final int BLOCK = 32;
  private static final int KINDS = 10;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private HardToRound() {}

  /**
   * Block by block bell-shaped, halfway between two whole numbers, tiny, any bits at all, huge,
   * zero, bell-shaped but for one NaN or infinity, next to halfway between two numbers of q4, and
   * such that two of its scales are next to as good as each other.
   *
   * @param stored f32, f16 or bf16
   * @param data receives them
   */
  public static Weight weight(DType stored, int rows, int cols, MemorySegment data) {
    var random = new SplittableRandom(3);
    float[] block = new float[BLOCK];
    for (int i = 0; i < rows * cols; i++) {
      int kind = i / BLOCK % KINDS;
      if (i % BLOCK == 0 && kind >= 8) {
        fill(block, kind, random);
      }
      float value =
          switch (kind) {
            case 0 -> (float) random.nextGaussian();
            case 1 -> (random.nextInt(31) - 15) / 2f;
            case 2 -> (float) (random.nextGaussian() * 0x1p-24);
            case 3 -> Float.intBitsToFloat(random.nextInt());
            case 4 -> (float) (random.nextGaussian() * 0x1p15);
            case 5 -> random.nextBoolean() ? 0f : -0f;
            case 6, 7 ->
                i % BLOCK == 5 ? 1 / (random.nextInt(3) - 1f) : (float) random.nextGaussian();
            default -> block[i % BLOCK];
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

  private static void fill(float[] block, int kind, SplittableRandom random) {
    for (int i = 0; i < BLOCK; i++) {
      block[i] = (float) random.nextGaussian();
    }
    if (kind == 8) {
      nextToHalves(block, random);
    } else {
      twoScales(block);
    }
  }

  /**
   * Whole numbers times a scale, which hence is the best, and some and a half, or an ulp beside.
   */
  private static void nextToHalves(float[] block, SplittableRandom random) {
    float scale = Float.float16ToFloat(Float.floatToFloat16(block[0] + 3));
    for (int i = 0; i < BLOCK; i++) {
      int whole = random.nextInt(15) - 7;
      block[i] = whole * scale;
      if (i % 8 == 0) {
        float half = (whole - 0.5f) * scale;
        block[i] = Float.intBitsToFloat(Float.floatToRawIntBits(half) + random.nextInt(3) - 1);
      }
    }
    block[7] = -8 * scale;
  }

  /** Makes one number what it is where another scale becomes the best, if one does. */
  private static void twoScales(float[] block) {
    float from = 0;
    float to = 1;
    block[3] = from;
    short scale = scale(block);
    for (int i = 0; i < 32; i++) {
      block[3] = (from + to) / 2;
      if (scale(block) == scale) {
        from = block[3];
      } else {
        to = block[3];
      }
    }
  }

  private static short scale(float[] block) {
    MemorySegment written = MemorySegment.ofArray(new byte[DType.Q4.blockBytes()]);
    Q4.write(block, written, 0);
    return written.get(SHORT, 0);
  }
}
