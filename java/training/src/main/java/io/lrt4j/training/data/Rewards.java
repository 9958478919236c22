package io.lrt4j.training.data;

import io.lrt4j.evaluation.grade.Grader;

/** Verifiable rewards: 1 for a right answer, 0 for any other text; graded as in evaluation. */
public enum Rewards implements Reward {
  /** By the look of what is right: a letter, LaTeX, or a number. */
  AUTO(Grader.AUTO),
  /** The last number of the answer. */
  NUMBER(Grader.NUMBER),
  /** The content of the last {@code \boxed{…}}, or the whole answer without one. */
  BOXED(Grader.MATH),
  /** The letter of a choice, A to J. */
  CHOICE(Grader.CHOICE);

  private final Grader grader;

  Rewards(Grader grader) {
    this.grader = grader;
  }

  @Override
  public double score(String answer, String truth) {
    return grader.isRight(answer, truth) ? 1 : 0;
  }
}
