package io.lrt4j.training;

import io.lrt4j.LrtException;

/** Training cannot begin or go on; the message says why, and what is left. */
public final class TrainingException extends LrtException {
  private static final long serialVersionUID = 1;

  /** With what, where, expected and found in one sentence. */
  public TrainingException(String message) {
    super(message);
  }

  /** With what went wrong underneath. */
  public TrainingException(String message, Throwable cause) {
    super(message, cause);
  }
}
