package io.lrt4j;

/**
 * A compute backend that was asked for and is not available here, or that failed; nothing falls
 * back silently.
 */
public class BackendException extends LrtException {
  private static final long serialVersionUID = 1L;

  public BackendException(String message) {
    super(message);
  }

  public BackendException(String message, Throwable cause) {
    super(message, cause);
  }
}
