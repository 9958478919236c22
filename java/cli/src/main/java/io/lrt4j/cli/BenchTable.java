package io.lrt4j.cli;

import io.lrt4j.evaluation.speed.Samples;
import io.lrt4j.evaluation.speed.Table;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Stream;

/** What {@code lrt bench} found, a column for every setting. */
final class BenchTable {
  private static final int WIDEST = 100;

  private final BenchSizes sizes;
  private final List<BenchSubject> subjects;

  BenchTable(BenchSizes sizes, List<BenchSubject> subjects) {
    this.sizes = sizes;
    this.subjects = subjects;
  }

  /** As many settings beside each other as are readable, the others below. */
  void print(PrintStream out) {
    for (int from = 0; from < subjects.size(); ) {
      int to = subjects.size();
      Table table = table(subjects.subList(from, to));
      while (table.width() > WIDEST && to - from > 1) {
        to--;
        table = table(subjects.subList(from, to));
      }
      table.print(out);
      from = to;
    }
  }

  private Table table(List<BenchSubject> columns) {
    Table table = new Table(cells("", columns, BenchSubject::name));
    row(table, "load, ms", columns, BenchSubject.LOAD);
    for (int n : sizes.prompts()) {
      row(table, "prefill of " + n + ", tokens/s", columns, BenchSubject.PREFILL + n);
    }
    if (sizes.tokens() > 0) {
      row(table, "decode after " + sizes.after() + ", tokens/s", columns, BenchSubject.DECODE);
      for (int percent : new int[] {50, 90, 99}) {
        table.add(
            cells("  a step, p" + percent + ", ms", columns, s -> number(s.stepMillis(percent))));
      }
      table.add(cells("  weights read, MB", columns, s -> number(s.weightBytes() * 1e-6)));
      table.add(
          cells(
              "  keys, values read, MB",
              columns,
              s -> s.cacheType() + " " + number(s.cacheBytes() * 1e-6)));
      table.add(cells("  read, GB/s", columns, s -> number(s.gigabytesPerSecond())));
      if (columns.stream().anyMatch(BenchSubject::waitsForMemory)) {
        beside(table, "  memory beside it, GB/s", columns, BenchSubject.MEMORY);
        beside(table, "  of what memory gives", columns, BenchSubject.SHARE);
      }
    }
    int latents = columns.getFirst().latents();
    if (latents > 0) {
      row(table, "latent: encode " + sizes.question() + ", ms", columns, "encode_ms");
      row(table, "  reason, " + latents + " latents, ms", columns, "reason_ms");
      row(table, "  prefill, ms", columns, "prefill_ms");
      row(table, "  first token after, ms", columns, "first_token_ms");
      row(table, "  decode " + sizes.answer() + ", ms", columns, "decode_ms");
      row(table, "  total, ms", columns, "total_ms");
    }
    return table;
  }

  private static void row(Table table, String label, List<BenchSubject> columns, String name) {
    table.add(cells(label, columns, subject -> spread(subject.counted(name))));
  }

  /** A row of what is measured where a step waits for memory. */
  private static void beside(Table table, String label, List<BenchSubject> columns, String name) {
    table.add(
        cells(label, columns, s -> s.waitsForMemory() ? spread(s.counted(name)) : "in caches"));
  }

  private static String[] cells(
      String label, List<BenchSubject> columns, Function<BenchSubject, String> cell) {
    return Stream.concat(Stream.of(label), columns.stream().map(cell)).toArray(String[]::new);
  }

  /** The median, with the smallest and the largest if there are several. */
  private static String spread(List<Double> values) {
    String median = number(Samples.median(values));
    return values.size() == 1
        ? median
        : median
            + " ("
            + number(values.stream().min(Double::compare).orElseThrow())
            + "-"
            + number(values.stream().max(Double::compare).orElseThrow())
            + ")";
  }

  /** Three digits that matter. */
  static String number(double value) {
    String format = value < 1 ? "%.3f" : value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f";
    return String.format(Locale.ROOT, format, value);
  }
}
