package io.lrt4j.training;

import java.util.List;

/**
 * A question in tokens, with what may follow it.
 *
 * @param prompt the question, templated, up to where an answer (or the latents) begins
 * @param answers one or several continuations, none of them empty, each with its end-of-sequence
 */
@SuppressWarnings("ArrayRecordComponent") // nobody changes them
record Example(int[] prompt, List<int[]> answers) {
  Example {
    answers = List.copyOf(answers);
  }
}
