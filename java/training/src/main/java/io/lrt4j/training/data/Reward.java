package io.lrt4j.training.data;

/** What an answer is worth. */
@FunctionalInterface
public interface Reward {
  /**
   * 1 for a right answer, 0 for any other text.
   *
   * @param answer what a model said
   * @param truth what is right
   */
  double score(String answer, String truth);
}
