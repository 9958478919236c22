package io.lrt4j;

/** Why an answer ended. */
public enum FinishReason {
  /**
   * The model ended it (an end-of-sequence token), a stop string appeared, or it is whole: a value
   * of its {@linkplain GenerationOptions#jsonSchema JSON schema}, or the only call that its {@link
   * ToolChoice} allows.
   */
  STOP,
  /** The token limit, or the model's context, was reached. */
  LENGTH,
  /** {@link Cancellation#cancel()} was called, or the thread was interrupted. */
  CANCELLED,
  /** The time that it may take, {@link GenerationOptions#timeout}, was over. */
  TIMEOUT
}
