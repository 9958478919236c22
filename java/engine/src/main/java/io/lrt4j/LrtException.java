package io.lrt4j;

/**
 * Root of everything lrt4j throws on purpose. Its message is one sentence: what, where, expected,
 * found. Subclasses name the kind of failure; anything else that escapes (a {@link
 * NullPointerException}, say) is a bug in the caller or in us.
 */
public class LrtException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public LrtException(String message) {
    super(message);
  }

  public LrtException(String message, Throwable cause) {
    super(message, cause);
  }
}
