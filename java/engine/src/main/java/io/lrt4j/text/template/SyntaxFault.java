package io.lrt4j.text.template;

/** A template that cannot be read, and the line where. */
final class SyntaxFault extends RuntimeException {
  private static final long serialVersionUID = 1L;

  final int line;

  SyntaxFault(String message, int line) {
    super(message, null, false, false);
    this.line = line;
  }
}
