package io.lrt4j;

import org.jspecify.annotations.Nullable;

/**
 * A switch that another thread can throw to end an answer after its current token, or while the
 * question is still being read, without any; it stays thrown.
 */
public final class Cancellation {
  private final @Nullable Cancellation other; // throws this one too
  private volatile boolean cancelled;

  /** A switch not yet thrown. */
  public Cancellation() {
    this(null);
  }

  private Cancellation(@Nullable Cancellation other) {
    this.other = other;
  }

  /** A switch of its own that is thrown with {@code other}, too, if there is one. */
  static Cancellation with(@Nullable Cancellation other) {
    return new Cancellation(other);
  }

  /** Ends every answer that was given this switch, with {@link FinishReason#CANCELLED}. */
  public void cancel() {
    cancelled = true;
  }

  public boolean isCancelled() {
    return cancelled || (other != null && other.isCancelled());
  }
}
