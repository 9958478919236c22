package io.lrt4j;

/**
 * Whether what an answer repeats, of the question or of itself, is guessed and read several tokens
 * at a time (prompt lookup decoding). That changes no token and no number, of sampled answers
 * neither: what a guess gets wrong is thrown away.
 */
public enum PromptLookup {
  /**
   * Where it takes less time: on CPUs, while few are asking, with weights that are read from memory
   * for every step ({@value #LARGE} parameters and more).
   */
  AUTO,

  /** With models of any size. */
  ON,

  OFF;

  /** Parameters of a model that no processor's own caches hold. */
  static final int LARGE = 100_000_000;

  /** Whether a model of so many parameters is to have it, where a step has several rows for one. */
  public boolean suits(long parameters) {
    return this == ON || (this == AUTO && parameters >= LARGE);
  }
}
