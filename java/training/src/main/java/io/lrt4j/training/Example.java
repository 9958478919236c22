package io.lrt4j.training;

import java.util.List;

/**
 * A question in tokens, with what may follow it.
 *
 * @param prompt the question, templated, up to where an answer (or the latents) begins
 * @param answers one or several continuations, none of them empty, each with its end-of-sequence
 * @param steps values after the steps of the reasoning, where they are known and can be read: see
 *     {@link StepHeads#values}
 */
@SuppressWarnings("ArrayRecordComponent") // nobody changes them
record Example(int[] prompt, List<int[]> answers, int[] steps) {
  /** Without values of steps. */
  Example(int[] prompt, List<int[]> answers) {
    this(prompt, answers, new int[0]);
  }

  Example {
    answers = List.copyOf(answers);
  }
}
