package io.lrt4j.schedule;

import io.lrt4j.Cancellation;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** What ends an answer before it is finished: its switch, an interrupt of its thread, its time. */
public final class Cutoff {
  private final @Nullable Cancellation cancellation;
  private final boolean timed;
  private final long end; // System.nanoTime

  /**
   * Of an answer with these options.
   *
   * @param asked when it was asked for, {@link System#nanoTime}
   */
  public Cutoff(GenerationOptions options, long asked) {
    cancellation = options.cancellation();
    Duration timeout = options.timeout();
    timed = timeout != null && timeout.compareTo(Duration.ofDays(365)) < 0; // nanoseconds overflow
    end = timed && timeout != null ? asked + timeout.toNanos() : 0;
  }

  /** Of what only an interrupt ends. */
  public static Cutoff interrupt() {
    return new Cutoff(GenerationOptions.unset(), 0);
  }

  /** Why it has to end now, or null; asked on its thread. */
  public @Nullable FinishReason reached() {
    return reached(Thread.currentThread().isInterrupted());
  }

  /** The same, asked on another one. */
  @Nullable FinishReason reached(boolean interrupted) {
    if (interrupted || (cancellation != null && cancellation.isCancelled())) {
      return FinishReason.CANCELLED;
    }
    return timed && System.nanoTime() - end >= 0 ? FinishReason.TIMEOUT : null;
  }

  /** Whether it has to end now. */
  public boolean isReached() {
    return reached() != null;
  }
}
