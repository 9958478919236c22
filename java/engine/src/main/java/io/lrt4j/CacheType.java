package io.lrt4j;

/** How keys and values are stored; what is computed with them is f32. */
public enum CacheType {
  /**
   * As fits the base model's layers: {@link #F16} if their projections are rounded to q8 or q4, be
   * it at load or in the checkpoint, and the backend can, else {@link #F32}. Beside what rounding
   * weights changes, f16 is nothing.
   */
  AUTO,

  /** As they are computed: 4 bytes. */
  F32,

  /**
   * Rounded to 11 bits of mantissa, to the nearest: 2 bytes, so that the same memory holds twice as
   * many tokens, and long contexts are read faster. Magnitudes above 65504 become 65504.
   */
  F16,

  /**
   * As signed bytes, 32 of a head to an f16 scale that takes the largest of them to 127: 34 bytes
   * for 32, a little more than a quarter of {@link #F32}. Magnitudes from 8.3 million on become
   * NaN. A model whose heads are no multiples of 32 is stored in f32.
   */
  Q8
}
