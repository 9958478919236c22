package io.lrt4j.compute;

/**
 * How the token that follows a row of logits is drawn, and which it was; refilled for every token,
 * for {@link Backend#sample}. What the settings mean is said where they are set, in {@link
 * io.lrt4j.GenerationOptions}.
 */
public final class Draw {
  /** 0 takes the largest logit. */
  public float temperature;

  /** 0 is off. */
  public int topK;

  public float topP;
  public float minP;
  public float repetitionPenalty;

  /** Tokens that the repetition penalty holds down, each once. */
  public int[] seen = {};

  /** How many of {@link #seen}. */
  public int seenCount;

  public float presencePenalty;
  public float frequencyPenalty;

  /** Tokens that these two hold down, each once. */
  public int[] written = {};

  /** How many of {@link #written}. */
  public int writtenCount;

  /** How often each token was written, [vocab]; empty if none is held down. */
  public int[] times = {};

  /** Which random numbers: the same seed, stream and position draw the same. */
  public long seed;

  public long stream;
  public long position;

  /** The token. */
  public int token;

  /** Its logit, as the model gave it. */
  public float logit;

  /** An empty one. */
  public Draw() {}
}
