package io.lrt4j.text.template;

/** What went wrong inside a template; {@link Template} adds the line. */
final class Fault extends RuntimeException {
  private static final long serialVersionUID = 1L;

  Fault(String message) {
    super(message, null, false, false);
  }

  static Fault unsupported(String what) {
    return new Fault(what + " is not supported");
  }
}
