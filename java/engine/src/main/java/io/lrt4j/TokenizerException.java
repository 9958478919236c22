package io.lrt4j;

/** A tokenizer that cannot be loaded. */
public class TokenizerException extends LrtException {
  private static final long serialVersionUID = 1L;

  public TokenizerException(String message) {
    super(message);
  }

  public TokenizerException(String message, Throwable cause) {
    super(message, cause);
  }
}
