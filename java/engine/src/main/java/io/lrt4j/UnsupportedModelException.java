package io.lrt4j;

/**
 * A sound checkpoint that asks for something lrt4j does not run: an architecture, a RoPE scaling, a
 * data type.
 */
public class UnsupportedModelException extends LrtException {
  private static final long serialVersionUID = 1L;

  public UnsupportedModelException(String message) {
    super(message);
  }

  public UnsupportedModelException(String message, Throwable cause) {
    super(message, cause);
  }
}
