package io.lrt4j;

/** How keys and values are stored; what is computed with them is f32. */
public enum CacheType {
  /** As they are computed: 4 bytes. */
  F32,

  /**
   * Rounded to 11 bits of mantissa, to the nearest: 2 bytes, so that the same memory holds twice as
   * many tokens, and long contexts are read faster. Magnitudes from 65520 on become infinite.
   */
  F16
}
