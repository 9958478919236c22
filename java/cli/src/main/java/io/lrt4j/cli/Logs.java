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
 * and with {@code --verbose} information too. Closing gives the root logger its handlers back.
 */
final class Logs implements AutoCloseable {
  private final Logger root = LogManager.getLogManager().getLogger("");
  private final Handler[] before = root.getHandlers();
  private final Level levelBefore = root.getLevel();
  private final Handler handler;

  Logs(PrintStream err, boolean verbose) {
    handler = new Lines(err);
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

    Lines(PrintStream err) {
      this.err = err;
      setFormatter(new SimpleFormatter());
    }

    @Override
    public void publish(LogRecord entry) {
      err.println("lrt: " + getFormatter().formatMessage(entry));
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
