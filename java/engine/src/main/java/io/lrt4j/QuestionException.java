package io.lrt4j;

import org.jspecify.annotations.Nullable;

/**
 * A question or its options that cannot be answered as asked: no network for latent mode, too long
 * for the model, a value out of range.
 */
public class QuestionException extends LrtException {
  private static final long serialVersionUID = 1L;

  /** What a question has beside its messages. */
  public enum Part {
    /** {@link Question#mode}. */
    MODE,
    /** {@link Question#tools}. */
    TOOLS,
    /** {@link GenerationOptions#jsonSchema}. */
    JSON_SCHEMA
  }

  private @Nullable Part part;

  public QuestionException(String message) {
    super(message);
  }

  public QuestionException(String message, Throwable cause) {
    super(message, cause);
  }

  /** This exception, which is about a part of the question. */
  public QuestionException about(Part part) {
    this.part = part;
    return this;
  }

  /** What it is about; null: the messages or the prompt, or the option that it names. */
  public @Nullable Part part() {
    return part;
  }
}
