package io.lrt4j.evaluation.study;

import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Statistics;
import io.lrt4j.evaluation.Statistics.Interval;
import io.lrt4j.evaluation.Summaries;
import io.lrt4j.evaluation.Summary;
import io.lrt4j.evaluation.Summary.Result;
import io.lrt4j.evaluation.Trial;
import io.lrt4j.evaluation.report.Report.Chart;
import io.lrt4j.evaluation.report.Report.Point;
import io.lrt4j.evaluation.report.Report.Section;
import io.lrt4j.evaluation.report.Report.Series;
import io.lrt4j.evaluation.report.Report.Table;
import io.lrt4j.evaluation.speed.Samples;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Sections that several studies share. */
public final class Sections {
  private Sections() {}

  /** Accuracy and cost of every cell, and how each differs from the first. */
  public static List<Section> accuracy(Summary summary) {
    List<List<String>> rows = new ArrayList<>();
    Map<String, List<Point>> byTokens = new LinkedHashMap<>();
    for (Result r : summary.cells()) {
      rows.add(
          List.of(
              r.cell(),
              Integer.toString(r.questions()),
              percent(r.passAt1()),
              percent(r.low()) + " to " + percent(r.high()),
              r.deviation() == null ? "–" : percent(r.deviation()),
              r.majority() == null ? "–" : percent(r.majority()),
              passAt(r),
              number(r.latentTokens()),
              number(r.generated()),
              percent(r.cutShare()),
              number(r.totalMs())));
      byTokens
          .computeIfAbsent(r.cell().replaceFirst("/.*", ""), _ -> new ArrayList<>())
          .add(new Point(r.generated(), 100 * r.passAt1(), 100 * r.low(), 100 * r.high()));
    }
    var table =
        new Table(
            List.of(
                "mode/budget",
                "questions",
                "pass@1 %",
                "95 % interval",
                "sd",
                "majority %",
                "pass@k %",
                "latents",
                "tokens",
                "cut off %",
                "ms"),
            rows);
    var chart =
        new Chart(
            "Accuracy against tokens written",
            "tokens written one after another",
            "right, %",
            series(byTokens));
    List<Section> sections = new ArrayList<>();
    sections.add(
        new Section(
            "Accuracy",
            "pass@1 is the mean over all answers, with its Wilson interval over questions; sd is"
                + " the standard deviation from sample to sample; tokens are those written one"
                + " after another, thinking and answer; cut off are answers that ran out of"
                + " tokens; ms is the mean time of an answer, that of the first ones in eval"
                + " included, which wait for the JIT compiler."
                + givenUp(summary.cells().stream().map(Result::cell).toList()),
            table,
            List.of(chart)));
    if (summary.cells().size() > 1) {
      sections.add(differences(summary));
    }
    if (summary.cells().stream().anyMatch(r -> !r.groups().isEmpty())) {
      sections.add(groups(summary));
    }
    return sections;
  }

  /** What the tokens and latents of auto are. */
  private static String givenUp(Collection<String> cells) {
    return cells.stream().anyMatch(cell -> cell.startsWith("auto/"))
        ? " Where auto gave a latent answer up, its time counts, its latents and tokens do not."
        : "";
  }

  private static String passAt(Result r) {
    List<String> parts = new ArrayList<>();
    r.passAtK().forEach((k, p) -> parts.add(k == 1 ? "" : k + ": " + percent(p)));
    String text = String.join(" ", parts).strip();
    return text.isEmpty() ? "–" : text;
  }

  private static Section differences(Summary summary) {
    Result first = summary.cells().getFirst();
    List<List<String>> rows = new ArrayList<>();
    for (Result r : summary.cells().subList(1, summary.cells().size())) {
      var d = Summaries.compare(r, first);
      rows.add(
          List.of(
              first.cell() + " − " + r.cell(),
              points(d.difference()),
              Integer.toString(d.better()),
              Integer.toString(d.worse())));
    }
    return new Section(
        "Differences",
        "Question by question, in percentage points, with the paired bootstrap's 95 % interval.",
        new Table(List.of("pair", "difference", "better", "worse"), rows),
        List.of());
  }

  private static Section groups(Summary summary) {
    Map<String, List<String>> byGroup = new TreeMap<>();
    summary
        .cells()
        .forEach(
            r -> r.groups().keySet().forEach(g -> byGroup.put(g, new ArrayList<>(List.of(g)))));
    byGroup.forEach(
        (group, row) ->
            summary
                .cells()
                .forEach(
                    r -> {
                      Double accuracy = r.groups().get(group);
                      row.add(accuracy == null ? "–" : percent(accuracy));
                    }));
    List<String> columns = new ArrayList<>(List.of("group"));
    summary.cells().forEach(r -> columns.add(r.cell()));
    return new Section(
        "By group",
        "pass@1 in percent, by what the data set tells of its questions.",
        new Table(columns, List.copyOf(byGroup.values())),
        List.of());
  }

  /**
   * Latency and tokens a second, with and without counting latents as tokens.
   *
   * @param peaks largest memory of the process in MiB, by cell; may lack some or all
   */
  public static Section efficiency(List<Answered> answered, Map<String, Double> peaks) {
    Map<String, List<Trial>> byCell = new LinkedHashMap<>();
    answered.forEach(
        a -> byCell.computeIfAbsent(a.cell(), _ -> new ArrayList<>()).addAll(a.trials()));
    List<List<String>> rows = new ArrayList<>();
    Map<String, List<Point>> series = new LinkedHashMap<>();
    byCell.forEach(
        (cell, trials) -> {
          double seconds = sum(trials, Trial::totalMs) / 1000;
          double written = sum(trials, Trial::generated);
          double latents = sum(trials, Trial::latentTokens);
          List<Double> times = trials.stream().map(Trial::totalMs).toList();
          rows.add(
              List.of(
                  cell,
                  number(sum(trials, Trial::firstTokenMs) / trials.size()),
                  milliseconds(trials),
                  number(Samples.median(times)),
                  number(Samples.percentile(times, 95)),
                  number(written / trials.size()),
                  number(latents / trials.size()),
                  number(written / seconds),
                  number((written + latents) / seconds),
                  peaks.containsKey(cell) ? number(peaks.getOrDefault(cell, 0.0)) : "–"));
          List<Point> points = new ArrayList<>();
          for (int p = 0; p <= 100; p += 5) {
            points.add(new Point(p, Samples.percentile(times, p), null, null));
          }
          series.put(cell, points);
        });
    return new Section(
        "Efficiency",
        "Time of one answer, alone or with the batch that the command asked for: mean to the first"
            + " token of the answer, mean, median and 95th percentile to its end; tokens a second"
            + " with and without latents counted as tokens; the largest memory that the process,"
            + " Java's heap included, had while it answered."
            + givenUp(byCell.keySet()),
        new Table(
            List.of(
                "mode/budget",
                "first token, ms",
                "mean, ms (95 % interval)",
                "median, ms",
                "95 %, ms",
                "tokens",
                "latents",
                "tokens/s",
                "with latents",
                "peak memory, MiB"),
            rows),
        List.of(
            new Chart(
                "Time of an answer, by percentile",
                "percentile of the questions",
                "ms",
                series(series))));
  }

  private static String milliseconds(List<Trial> trials) {
    Interval mean = Statistics.bootstrap(trials.stream().mapToDouble(Trial::totalMs).toArray(), 0);
    return number(mean.value()) + " (" + number(mean.low()) + " to " + number(mean.high()) + ")";
  }

  /** Networks after different stages of training, each less the first. */
  public static Section stages(Summary summary) {
    Result first = summary.cells().getFirst();
    List<List<String>> rows = new ArrayList<>();
    for (Result r : summary.cells()) {
      rows.add(
          List.of(
              r.cell(),
              percent(r.passAt1()),
              percent(r.low()) + " to " + percent(r.high()),
              r.cell().equals(first.cell())
                  ? "–"
                  : points(Summaries.compare(first, r).difference()),
              number(r.generated()),
              number(r.totalMs())));
    }
    return new Section(
        "Stages of training",
        "Networks after different training; the difference is to the first, question by question,"
            + " in percentage points with the paired bootstrap's 95 % interval.",
        new Table(
            List.of("network", "pass@1 %", "95 % interval", "difference", "tokens", "ms"), rows),
        List.of());
  }

  /** Accuracy over a number that is different in every cell. */
  public static Section curve(
      String title, String text, String axis, Summary summary, ToDoubleFunction<Result> x) {
    List<List<String>> rows = new ArrayList<>();
    Map<String, List<Point>> series = new LinkedHashMap<>();
    for (Result r : summary.cells()) {
      double at = x.applyAsDouble(r);
      rows.add(
          List.of(
              r.cell(),
              number(at),
              percent(r.passAt1()),
              percent(r.low()) + " to " + percent(r.high()),
              number(r.generated()),
              number(r.totalMs())));
      series
          .computeIfAbsent(r.cell().replaceFirst("[ /].*", ""), _ -> new ArrayList<>())
          .add(new Point(at, 100 * r.passAt1(), 100 * r.low(), 100 * r.high()));
    }
    return new Section(
        title,
        text,
        new Table(List.of("cell", axis, "pass@1 %", "95 % interval", "tokens", "ms"), rows),
        List.of(new Chart(title, axis, "right, %", series(series))));
  }

  static List<Series> series(Map<String, List<Point>> points) {
    List<Series> series = new ArrayList<>();
    points.forEach(
        (name, of) ->
            series.add(
                new Series(
                    name,
                    true,
                    of.stream().sorted(Comparator.comparingDouble(Point::x)).toList())));
    return series;
  }

  static String percent(@Nullable Double part) {
    return part == null ? "–" : String.format(Locale.ROOT, "%.1f", 100 * part);
  }

  static String number(double value) {
    return String.format(Locale.ROOT, value >= 100 ? "%.0f" : "%.1f", value);
  }

  static String points(Interval d) {
    return String.format(
        Locale.ROOT, "%+.1f (%+.1f to %+.1f)", 100 * d.value(), 100 * d.low(), 100 * d.high());
  }

  private static double sum(List<Trial> trials, ToDoubleFunction<Trial> of) {
    return trials.stream().mapToDouble(of).sum();
  }

  static double mean(double... values) {
    return Arrays.stream(values).average().orElse(Double.NaN);
  }
}
