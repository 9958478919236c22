package io.lrt4j.training;

import io.lrt4j.Question;
import io.lrt4j.reasoning.Prompts;
import io.lrt4j.training.data.Problem;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Problems in the tokens of one model, exactly as they come up when it is asked: what is trained is
 * what is run.
 *
 * @param prompts the model's tokenizer and template
 * @param end the token that ends an answer
 */
record ProblemEncoder(Prompts prompts, int end) {
  /** The question with an open thinking block; the answer follows the latents. */
  Example latent(Problem problem) {
    return new Example(
        thinking(problem), List.of(answer(problem)), StepHeads.values(problem.reasoning()));
  }

  /** The question with an empty thinking block; the answer follows. */
  Example direct(Problem problem) {
    int[] prompt = prompts.direct(Question.of(problem.question()));
    return new Example(prompt, List.of(answer(problem)));
  }

  /** The question with an open thinking block. */
  int[] thinking(Problem problem) {
    return prompts.thinking(Question.of(problem.question()));
  }

  /** What a model should say, and the end. */
  int[] answer(Problem problem) {
    return ended(prompts.encode(problem.answer()));
  }

  /**
   * The question, and after it thinking and answer, or an empty thinking block and the answer, or
   * both: two continuations of what they have in common.
   */
  Example base(Problem problem, boolean explicit, boolean direct) {
    int[] thinking = thinking(problem);
    int[] answer = answer(problem);
    List<int[]> whole = new ArrayList<>();
    if (explicit) {
      int[] thought = prompts.encode(problem.reasoning());
      whole.add(concat(concat(thinking, thought), concat(prompts.encode(Prompts.CLOSE), answer)));
    }
    if (direct) {
      whole.add(concat(prompts.direct(Question.of(problem.question())), answer));
    }
    int common = thinking.length;
    for (int[] tokens : whole) {
      int differ = Arrays.mismatch(tokens, 0, tokens.length, thinking, 0, common);
      common = differ < 0 ? common : Math.min(common, differ);
    }
    int shared = common;
    return new Example(
        Arrays.copyOf(thinking, shared),
        whole.stream().map(t -> Arrays.copyOfRange(t, shared, t.length)).toList());
  }

  private int[] ended(int[] tokens) {
    int[] ended = Arrays.copyOf(tokens, tokens.length + 1);
    ended[tokens.length] = end;
    return ended;
  }

  private static int[] concat(int[] a, int[] b) {
    int[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }
}
