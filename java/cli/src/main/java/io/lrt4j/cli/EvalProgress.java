package io.lrt4j.cli;

import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import java.util.Locale;

/** One line on a terminal with the accuracy so far; nothing where nobody watches. */
final class EvalProgress implements Evaluation.Progress {
  private final Console console;
  private long shown;

  EvalProgress(Console console) {
    this.console = console;
  }

  @Override
  public void onAnswered(Cell cell, int done, int total, double accuracy) {
    long now = System.nanoTime();
    if (!console.errTerminal() || (now - shown < ProgressBar.EVERY_NANOS && done < total)) {
      return;
    }
    console
        .err()
        .printf(
            Locale.ROOT,
            "\r%s %-16s %d/%d  %.1f %% right ",
            ProgressBar.bar((double) done / total),
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
