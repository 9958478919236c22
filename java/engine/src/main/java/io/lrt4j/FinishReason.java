package io.lrt4j;

/** Why an answer ended. */
public enum FinishReason {
  /** The model ended it (an end-of-sequence token), or a stop string appeared. */
  STOP,
  /** The token limit, or the model's context, was reached. */
  LENGTH,
  /** {@link Cancellation#cancel()} was called, or the thread was interrupted. */
  CANCELLED,
  /** The time that it may take, {@link GenerationOptions#timeout}, was over. */
  TIMEOUT
}
