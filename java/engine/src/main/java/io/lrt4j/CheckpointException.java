package io.lrt4j;

/**
 * A checkpoint that is damaged, incomplete or contradicts itself; the message names file, tensor or
 * key, expected and found.
 */
public class CheckpointException extends LrtException {
  private static final long serialVersionUID = 1L;

  public CheckpointException(String message) {
    super(message);
  }

  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
