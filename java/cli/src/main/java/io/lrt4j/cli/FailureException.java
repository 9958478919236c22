package io.lrt4j.cli;

/** A failure at run time that the command line itself found; exit status 1. */
final class FailureException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  FailureException(String message) {
    super(message);
  }
}
