package io.lrt4j.cli;

import io.lrt4j.training.Progress;
import java.util.Locale;
import java.util.SequencedMap;

/** One line on a terminal that says how far a training is; nothing where nobody watches. */
final class ProgressBar implements Progress {
  static final long EVERY_NANOS = 200_000_000;

  /** To the beginning of the line, and nothing on it. */
  static final String CLEAR = "\r\033[K";

  private static final int WIDTH = 20;

  private final Console console;
  private long shown;
  private long counted = System.nanoTime();
  private double tokens;

  ProgressBar(Console console) {
    this.console = console;
  }

  @Override
  public void onStep(
      int step, int steps, SequencedMap<String, Double> metrics, double secondsLeft) {
    long now = System.nanoTime();
    tokens += metrics.getOrDefault("num_tokens", 0.0);
    if (!console.errTerminal() || (now - shown < EVERY_NANOS && step < steps)) {
      return;
    }
    String figure = metrics.containsKey("reward") ? "reward" : "loss";
    long left = Math.round(secondsLeft);
    console
        .err()
        .printf(
            Locale.ROOT,
            "\r%s %d/%d  %s %.4f  %,.0f tokens/s  %d:%02d left ",
            bar((double) step / steps),
            step,
            steps,
            figure,
            metrics.getOrDefault(figure, 0.0),
            tokens / ((now - counted) / 1e9),
            left / 60,
            left % 60);
    console.err().flush();
    shown = now;
    counted = now;
    tokens = 0;
  }

  /** The bar itself. */
  static String bar(double fraction) {
    int full = (int) (WIDTH * fraction);
    return "[" + "=".repeat(full) + " ".repeat(WIDTH - full) + "]";
  }

  /** Leaves the line. */
  void end() {
    if (console.errTerminal() && shown > 0) {
      console.err().println();
    }
  }
}
