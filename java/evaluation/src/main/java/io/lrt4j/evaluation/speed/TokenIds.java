package io.lrt4j.evaluation.speed;

import java.util.Random;

/** Questions that mean nothing: speed does not depend on what they say. */
public final class TokenIds {
  private TokenIds() {}

  /** Token ids that have nothing in common with each other, the same ones for a seed every time. */
  public static int[] random(int n, int vocabSize, long seed) {
    return new Random(seed).ints(n, 0, vocabSize).toArray();
  }
}
