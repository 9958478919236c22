package io.lrt4j.cli;

import java.io.PrintStream;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/**
 * Log messages of the library and of those beneath it, one line each on standard error: warnings,
 * and with {@code --verbose} information too. An error also says where in the code it arose.
 * Closing gives the root logger its handlers back.
 */
final class Logs implements AutoCloseable {
  private final Logger root = LogManager.getLogManager().getLogger("");
  private final Handler[] before = root.getHandlers();
  private final Level levelBefore = root.getLevel();
  private final Handler handler;

  Logs(PrintStream err, boolean verbose) {
    handler = new Lines(err, verbose);
    for (Handler old : before) {
      root.removeHandler(old);
    }
    root.addHandler(handler);
    root.setLevel(verbose ? Level.INFO : Level.WARNING);
  }

  @Override
  public void close() {
    root.removeHandler(handler);
    for (Handler old : before) {
      root.addHandler(old);
    }
    root.setLevel(levelBefore);
  }

  private static final class Lines extends Handler {
    private final PrintStream err;
    private final boolean verbose;

    Lines(PrintStream err, boolean verbose) {
      this.err = err;
      this.verbose = verbose;
      setFormatter(new SimpleFormatter());
    }

    @Override
    public void publish(LogRecord entry) {
      Throwable cause = entry.getThrown();
      err.println(
          "lrt: " + getFormatter().formatMessage(entry) + (cause == null ? "" : ": " + cause));
      if (cause != null && (verbose || entry.getLevel().intValue() >= Level.SEVERE.intValue())) {
        cause.printStackTrace(err);
      }
      err.flush();
    }

    @Override
    public void flush() {
      err.flush();
    }

    @Override
    public void close() {}
  }
}
