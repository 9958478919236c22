package io.lrt4j.decode;

/**
 * A seeded counter-based random number generator, Philox4x32-10 (Salmon et al., "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC 2011): the draw for a stream and a position is a pure function
 * of seed, stream and position. It does not matter who draws first, or on how many threads.
 */
public final class CounterRandom {
  private static final int ROUNDS = 10;
  private static final long MULTIPLIER_0 = 0xD2511F53L;
  private static final long MULTIPLIER_1 = 0xCD9E8D57L;
  private static final int WEYL_0 = 0x9E3779B9;
  private static final int WEYL_1 = 0xBB67AE85;

  private final long seed;

  /**
   * @param seed the key
   */
  public CounterRandom(long seed) {
    this.seed = seed;
  }

  /**
   * A number in [0, 1): a multiple of 2⁻²⁴, every one as likely.
   *
   * @param stream which sequence, a sample's number say
   * @param position where in it, a token's position say
   */
  public float uniform(long stream, long position) {
    return (bits(seed, position, stream) >>> 40) * 0x1p-24f;
  }

  /**
   * The first two of the four 32-bit words of one block, the first in the upper half.
   *
   * @param key key words 0 (low) and 1
   * @param low counter words 0 (low) and 1
   * @param high counter words 2 (low) and 3
   */
  static long bits(long key, long low, long high) {
    int c0 = (int) low;
    int c1 = (int) (low >>> 32);
    int c2 = (int) high;
    int c3 = (int) (high >>> 32);
    int k0 = (int) key;
    int k1 = (int) (key >>> 32);
    for (int round = 0; round < ROUNDS; round++) {
      long p0 = MULTIPLIER_0 * Integer.toUnsignedLong(c0);
      long p1 = MULTIPLIER_1 * Integer.toUnsignedLong(c2);
      c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      c1 = (int) p1;
      c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c3 = (int) p0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    return ((long) c0 << 32) | Integer.toUnsignedLong(c1);
  }
}
