package io.lrt4j.cli;

import java.io.IOException;

/**
 * Standard output that takes no more. Unchecked, since {@link java.io.PrintStream} would swallow
 * the {@link IOException}, and it should end whatever is still producing output.
 */
final class OutputException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  OutputException(IOException cause) {
    super(cause.getMessage(), cause);
  }

  /** Whether the reader went away, as {@code head} does once it has seen enough. */
  boolean brokenPipe() {
    String message = String.valueOf(getMessage());
    return message.contains("Broken pipe") || message.contains("pipe is being closed");
  }
}
