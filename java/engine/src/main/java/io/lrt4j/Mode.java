package io.lrt4j;

/** What the model is given between the question and its answer. */
public enum Mode {
  /**
   * Latent first; explicit when the latent answer's confidence is below the calibrated threshold.
   */
  AUTO,
  /** The reasoning network's latent vectors take the place of the thinking (LRT). */
  LATENT,
  /** The model thinks in text, up to a budget, then answers. */
  EXPLICIT,
  /** A closed, empty thinking block (or the NoThinking sentence), then the answer. */
  DIRECT
}
