package io.lrt4j.training.data;

/**
 * A question with what there is to learn from it.
 *
 * @param question as a user would ask it
 * @param reasoning the steps that lead to the answer, as a model should think them; "" if unknown
 * @param answer what a model should say
 * @param truth what an answer is checked against: a number, LaTeX, the letter of a choice
 * @param place where it stands, for messages: a file and a line
 */
public record Problem(
    String question, String reasoning, String answer, String truth, String place) {
  /** One that stands nowhere. */
  public Problem(String question, String reasoning, String answer, String truth) {
    this(question, reasoning, answer, truth, "a problem");
  }
}
