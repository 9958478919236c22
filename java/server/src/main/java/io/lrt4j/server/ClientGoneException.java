package io.lrt4j.server;

/** Nobody is there any more to send an answer to. */
final class ClientGoneException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  ClientGoneException() {
    super("the client is gone", null, false, false);
  }
}
