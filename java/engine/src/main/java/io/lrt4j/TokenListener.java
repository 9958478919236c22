package io.lrt4j;

/**
 * Receives an answer while it is being written, on the asking thread. An exception it throws ends
 * the answer and reaches the caller; one that cancels the answer hears no further token.
 */
@FunctionalInterface
public interface TokenListener {
  void onToken(Token token);
}
