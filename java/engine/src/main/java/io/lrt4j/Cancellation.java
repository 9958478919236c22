package io.lrt4j;

/**
 * A switch that another thread can throw to end an answer after its current token, or while the
 * question is still being read, without any; it stays thrown.
 */
public final class Cancellation {
  private volatile boolean cancelled;

  /** A switch not yet thrown. */
  public Cancellation() {}

  /** Ends every answer that was given this switch, with {@link FinishReason#CANCELLED}. */
  public void cancel() {
    cancelled = true;
  }

  public boolean isCancelled() {
    return cancelled;
  }
}
