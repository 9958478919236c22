package io.lrt4j;

/** A chat template that cannot be parsed, or that refused its messages. */
public class TemplateException extends LrtException {
  private static final long serialVersionUID = 1L;

  public TemplateException(String message) {
    super(message);
  }

  public TemplateException(String message, Throwable cause) {
    super(message, cause);
  }
}
