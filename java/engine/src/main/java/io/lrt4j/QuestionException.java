package io.lrt4j;

/**
 * A question or its options that cannot be answered as asked: no network for latent mode, too long
 * for the model, a value out of range.
 */
public class QuestionException extends LrtException {
  private static final long serialVersionUID = 1L;

  public QuestionException(String message) {
    super(message);
  }

  public QuestionException(String message, Throwable cause) {
    super(message, cause);
  }
}
