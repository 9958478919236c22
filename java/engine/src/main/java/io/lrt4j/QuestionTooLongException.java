package io.lrt4j;

/** A question that does not fit into the model: a shorter one, of fewer messages say, may. */
public class QuestionTooLongException extends QuestionException {
  private static final long serialVersionUID = 1L;

  public QuestionTooLongException(String message) {
    super(message);
  }
}
