package io.lrt4j.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Normally distributed bf16 weights, as fast as memory takes them. A counter-based generator gives
 * 64 bits for every four elements, and every 16 of them look up one of 2^16 equally likely values.
 * So an element depends on seed, tensor and index alone, never on who fills which chunk when.
 */
final class RandomWeights implements SafetensorsWriter.Filler {
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;
  private static final ValueLayout.OfShort BF16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** What a standard normal exceeds with probability (i + 1/2) / 2^16, for i below 2^15. */
  private static final double[] UPPER = upperQuantiles();

  private final short[] quantiles;
  private final long key;

  private RandomWeights(short[] quantiles, long key) {
    this.quantiles = quantiles;
    this.key = key;
  }

  /** A stream of its own for every tensor name, mean 0. */
  static RandomWeights normal(double std, long seed, String tensor) {
    long key = seed;
    for (int i = 0; i < tensor.length(); i++) {
      key = mix(key + GOLDEN + tensor.charAt(i));
    }
    return new RandomWeights(scaled(std), key);
  }

  /** The same value everywhere. */
  static SafetensorsWriter.Filler constant(float value) {
    short bf16 = bf16(value);
    return (offset, chunk) -> {
      for (long at = 0; at < chunk.byteSize(); at += 2) {
        chunk.set(BF16, at, bf16);
      }
    };
  }

  /** A square matrix with this value on its diagonal, 0 elsewhere. */
  static SafetensorsWriter.Filler diagonal(float value, long columns) {
    short bf16 = bf16(value);
    return (offset, chunk) -> {
      for (long at = 0; at < chunk.byteSize(); at += 2) {
        long element = (offset + at) / 2;
        chunk.set(BF16, at, element / columns == element % columns ? bf16 : 0);
      }
    };
  }

  @Override
  public void fill(long offset, MemorySegment chunk) {
    long counter = offset / 8;
    for (long at = 0; at < chunk.byteSize(); at += 8, counter++) {
      long bits = mix(key + counter * GOLDEN);
      for (long end = Math.min(at + 8, chunk.byteSize()), i = at; i < end; i += 2) {
        chunk.set(BF16, i, quantiles[(int) bits & 0xFFFF]);
        bits >>>= 16;
      }
    }
  }

  private static short[] scaled(double std) {
    short[] table = new short[2 * UPPER.length];
    for (int i = 0; i < UPPER.length; i++) {
      float value = (float) (std * UPPER[i]);
      table[i] = bf16(-value);
      table[table.length - 1 - i] = bf16(value);
    }
    return table;
  }

  private static double[] upperQuantiles() {
    double[] upper = new double[1 << 15];
    for (int i = 0; i < upper.length; i++) {
      upper[i] = upperQuantile((i + 0.5) / (2 * upper.length));
    }
    return upper;
  }

  /**
   * The x that a standard normal exceeds with probability {@code p} up to 1/2, within 4.5e-4:
   * Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23.
   */
  private static double upperQuantile(double p) {
    double t = Math.sqrt(-2 * Math.log(p));
    return t
        - (2.515517 + t * (0.802853 + t * 0.010328))
            / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  }

  /** Round to nearest, ties to even. */
  static short bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
