package io.lrt4j.training;

import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.reasoning.Prompts;
import io.lrt4j.training.data.Problem;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/**
 * Problems in the tokens of one model, exactly as they come up when it is asked: what is trained is
 * what is run. A problem that the model would not be asked, as it is too long, is refused.
 *
 * @param prompts the model's tokenizer and template
 * @param vocabulary of the model
 * @param end the token that ends an answer
 * @param context most tokens of question, latents and answer together, as the base takes them
 * @param longest most tokens of a question that the network takes
 * @param latents tokens between question and answer: latents and what closes them
 */
record ProblemEncoder(
    Prompts prompts, Vocabulary vocabulary, int end, int context, int longest, int latents) {
  /** The question with an open thinking block; the answer follows the latents. */
  Example latent(Problem problem) {
    int[] answer = answer(problem);
    return new Example(
        asked(problem, answer.length), List.of(answer), StepHeads.values(problem.reasoning()));
  }

  /** The question with an empty thinking block; the answer follows. */
  Example direct(Problem problem) {
    int[] prompt = tokens(problem, () -> prompts.direct(Question.of(problem.question())));
    int[] answer = answer(problem);
    fit(problem, prompt.length, 0, answer.length);
    return new Example(prompt, List.of(answer));
  }

  /** The question with an open thinking block; so many tokens may follow the latents. */
  int[] asked(Problem problem, int answer) {
    int[] prompt = thinking(problem);
    if (prompt.length > longest) {
      throw new TrainingException(
          problem.place()
              + ": expected a question of at most "
              + longest
              + " tokens, which the network takes, found "
              + prompt.length);
    }
    fit(problem, prompt.length, latents, answer);
    return prompt;
  }

  private void fit(Problem problem, int question, int latents, int answer) {
    long all = (long) question + latents + answer;
    if (all > context) {
      throw new TrainingException(
          problem.place()
              + ": expected at most "
              + context
              + " tokens, the model's context, found "
              + all
              + " (question "
              + question
              + (latents > 0 ? ", latents with their close " + latents : "")
              + ", answer "
              + answer
              + ")");
    }
  }

  private int[] thinking(Problem problem) {
    return tokens(problem, () -> prompts.thinking(Question.of(problem.question())));
  }

  /** What cannot be encoded, or not for this model, is told with where it is. */
  private int[] tokens(Problem problem, Supplier<int[]> text) {
    try {
      int[] tokens = text.get();
      vocabulary.check(tokens);
      return tokens;
    } catch (QuestionException e) {
      throw new TrainingException(problem.place() + ": " + e.getMessage(), e);
    }
  }

  /** What a model should say, and the end. */
  int[] answer(Problem problem) {
    return ended(tokens(problem, () -> prompts.encode(problem.answer())));
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
      int[] thought = tokens(problem, () -> prompts.encode(problem.reasoning()));
      int[] closed = concat(thought, concat(prompts.encode(Prompts.CLOSE), answer));
      fit(problem, thinking.length, 0, closed.length);
      whole.add(concat(thinking, closed));
    }
    if (direct) {
      Example closed = direct(problem);
      whole.add(concat(closed.prompt(), closed.answers().getFirst()));
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
