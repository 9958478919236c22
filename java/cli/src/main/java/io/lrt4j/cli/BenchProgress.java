package io.lrt4j.cli;

/** One line on a terminal that says what is being measured; nothing where nobody watches. */
final class BenchProgress implements AutoCloseable {
  private final Console console;
  private final int parts;
  private int done;
  private long shown;

  /** Of so many parts. */
  BenchProgress(Console console, int parts) {
    this.console = console;
    this.parts = parts;
  }

  /** The next part begins. */
  void next(String what) {
    long now = System.nanoTime();
    if (console.errTerminal() && (shown == 0 || now - shown >= ProgressBar.EVERY_NANOS)) {
      double fraction = Math.min(1, (double) done / parts);
      console.err().print(ProgressBar.CLEAR + ProgressBar.bar(fraction) + " " + what + " ");
      console.err().flush();
      shown = now;
    }
    done++;
  }

  /** A line that stays. */
  void note(String text) {
    close();
    console.note(text);
  }

  /** The line goes. */
  @Override
  public void close() {
    if (shown != 0) {
      console.err().print(ProgressBar.CLEAR);
      console.err().flush();
      shown = 0;
    }
  }
}
