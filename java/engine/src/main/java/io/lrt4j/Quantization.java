package io.lrt4j;

/** Whether projections are rounded to fewer bits at load; embeddings and norms never are. */
public enum Quantization {
  /** Weights in the type that they are stored in. */
  NONE,

  /**
   * Blocks of 32 weights as signed bytes with an f16 scale, multiplied by activations that are
   * rounded alike. A projection whose input is no multiple of 32 wide stays as it is stored.
   */
  Q8
}
