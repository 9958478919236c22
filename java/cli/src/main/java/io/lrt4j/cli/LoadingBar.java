package io.lrt4j.cli;

import io.lrt4j.LoadListener;
import java.nio.file.Path;
import java.util.function.LongSupplier;

/**
 * One line on a terminal that says how far a load is, once that takes longer than a second; it goes
 * when the load has ended.
 */
final class LoadingBar implements LoadListener, AutoCloseable {
  private static final long PATIENCE_NANOS = 1_000_000_000;

  private final Console console;
  private final LongSupplier clock; // as System.nanoTime
  private long next;
  private boolean shown;

  LoadingBar(Console console, LongSupplier clock) {
    this.console = console;
    this.clock = clock;
    next = clock.getAsLong() + PATIENCE_NANOS;
  }

  @Override
  public void onProgress(Path directory, double fraction) {
    long now = clock.getAsLong();
    if (!console.errTerminal() || now - next < 0) {
      return;
    }
    String percent = Math.round(100 * fraction) + " %";
    console
        .err()
        .print(
            ProgressBar.CLEAR
                + ProgressBar.bar(fraction)
                + " "
                + percent
                + "  loading "
                + directory.getFileName());
    console.err().flush();
    shown = true;
    next = now + ProgressBar.EVERY_NANOS;
  }

  @Override
  public void close() {
    if (shown) {
      console.err().print(ProgressBar.CLEAR);
      console.err().flush();
    }
  }
}
