package io.lrt4j;

/**
 * Whether projections are computed in fewer bits than those that their weights are stored in; norms
 * never are, embeddings only where that is asked for.
 */
public enum Quantization {
  /** Weights in the type that they are stored in, and activations as exact as that asks for. */
  NONE,

  /**
   * Weights as they are stored; bf16 ones are multiplied by activations rounded to bf16, on
   * backends and processors that are faster then ({@code native} with AVX-512 BF16: twice as fast
   * in prefill; {@code cuda} with cuBLAS). Elsewhere it is {@link #NONE}.
   */
  BF16,

  /**
   * Blocks of 32 weights as signed bytes with an f16 scale, multiplied by activations that are
   * rounded alike. A projection whose input is no multiple of 32 wide stays as it is stored.
   */
  Q8,

  /** As {@link #Q8}, but weights have 4 bits; activations stay bytes. */
  Q4
}
