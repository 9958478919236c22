package io.lrt4j.schedule;

import io.lrt4j.compute.Tensor;

/**
 * What a model is to read: rows of its input, and what becomes of their final hidden states. Called
 * on the thread that runs the step, in the order of the rows.
 */
public interface Rows {
  /**
   * Puts the input's rows {@code from … from + rows - 1} into {@code x}, from row {@code at} on.
   */
  void write(Tensor x, int at, int from, int rows);

  /**
   * How many of the input's rows {@code from … from + rows - 1}, the last of them, it is to be
   * given final hidden states of; at least 1.
   */
  int wanted(int from, int rows);

  /**
   * Is given the final hidden states of the input's rows {@code from … from + rows - 1}, those that
   * it wanted, from row {@code at} of {@code hidden} on.
   */
  void take(Tensor hidden, int at, int from, int rows);

  /**
   * Whether what follows the last row is wanted: its logits, then in the first row of those of the
   * caller's workspace. The head is read once for it and for all who decode in the same step.
   */
  default boolean logits() {
    return false;
  }
}
