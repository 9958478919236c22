package io.lrt4j.cli;

import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import java.util.Locale;

/** One line on a terminal with the accuracy so far; nothing where nobody watches. */
final class EvalProgress implements Evaluation.Progress {
  private static final long EVERY_NANOS = 200_000_000;
  private static final int WIDTH = 20;

  private final Console console;
  private long shown;

  EvalProgress(Console console) {
    this.console = console;
  }

  @Override
  public void onAnswered(Cell cell, int done, int total, double accuracy) {
    long now = System.nanoTime();
    if (!console.errTerminal() || (now - shown < EVERY_NANOS && done < total)) {
      return;
    }
    int full = (int) ((long) WIDTH * done / total);
    console
        .err()
        .printf(
            Locale.ROOT,
            "\r[%s%s] %-16s %d/%d  %.1f %% right ",
            "=".repeat(full),
            " ".repeat(WIDTH - full),
            cell.key(),
            done,
            total,
            100 * accuracy);
    console.err().flush();
    shown = now;
  }

  /** Leaves the line. */
  void end() {
    if (console.errTerminal() && shown > 0) {
      console.err().println();
    }
  }
}
