package io.lrt4j.evaluation;

import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.evaluation.Statistics.Interval;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Summaries in files, as tables, and compared with each other. */
public final class Summaries {
  private static final JsonMapper MAPPER = new JsonMapper();

  private Summaries() {}

  /**
   * How two runs differ on the questions that both have.
   *
   * @param first its key
   * @param second its key
   * @param questions in both
   * @param difference accuracy of the second less that of the first, with a paired bootstrap
   *     interval
   * @param better questions that the second does better
   * @param worse questions that it does worse
   */
  public record Difference(
      String first, String second, int questions, Interval difference, int better, int worse) {}

  /** Writes {@code summary.json}. */
  public static void write(Path file, Summary summary) {
    try {
      Files.writeString(
          file, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(summary) + "\n");
    } catch (IOException e) {
      throw new EvaluationException(file + ": cannot be written: " + ModelFiles.cause(e), e);
    }
  }

  /** One line of JSON. */
  public static String json(Object record) {
    try {
      return MAPPER.writeValueAsString(record);
    } catch (IOException e) {
      throw new IllegalStateException(e); // records of plain values can always be written
    }
  }

  /** Reads {@code summary.json}. */
  public static Summary read(Path file) {
    Summary summary;
    try {
      summary = MAPPER.readValue(file.toFile(), Summary.class);
    } catch (IOException e) {
      throw new EvaluationException(file + ": expected the summary.json of an evaluation", e);
    }
    // It is what somebody's file says: of other JSON, whatever is not in it is null.
    if (summary == null
        || summary.cells() == null
        || !summary.cells().stream().allMatch(Summaries::comparable)) {
      throw new EvaluationException(file + ": expected the summary.json of an evaluation");
    }
    return summary;
  }

  private static boolean comparable(Summary.@Nullable Result cell) {
    return cell != null
        && cell.cell() != null
        && cell.perQuestion() != null
        && !cell.perQuestion().containsValue(null);
  }

  /** Compares cells of the same key; or the only cell of each, whatever they are called. */
  public static List<Difference> compare(Summary a, Summary b) {
    List<Difference> differences = new ArrayList<>();
    for (Summary.Result x : a.cells()) {
      for (Summary.Result y : b.cells()) {
        boolean only = a.cells().size() == 1 && b.cells().size() == 1;
        if (only || x.cell().equals(y.cell())) {
          differences.add(compare(x, y));
        }
      }
    }
    if (differences.isEmpty()) {
      throw new EvaluationException("the two summaries have no cell in common");
    }
    return differences;
  }

  /** The second less the first, question by question. */
  public static Difference compare(Summary.Result x, Summary.Result y) {
    Set<String> common = new TreeSet<>(x.perQuestion().keySet());
    common.retainAll(y.perQuestion().keySet());
    if (common.isEmpty()) {
      throw new EvaluationException(
          "the cells " + x.cell() + " and " + y.cell() + " have no question in common");
    }
    double[] differences =
        common.stream()
            .mapToDouble(
                id -> y.perQuestion().getOrDefault(id, 0.0) - x.perQuestion().getOrDefault(id, 0.0))
            .toArray();
    int better = 0;
    int worse = 0;
    for (double d : differences) {
      better += d > 0 ? 1 : 0;
      worse += d < 0 ? 1 : 0;
    }
    Interval interval = Statistics.bootstrap(differences, 0);
    return new Difference(x.cell(), y.cell(), common.size(), interval, better, worse);
  }

  /** The cells as lines of text. */
  public static String table(Summary summary) {
    var text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "%-18s%10s%9s  %-15s%9s%9s%10s%10s%10s%n",
            "mode/budget",
            "questions",
            "pass@1",
            "95 %",
            "sd",
            "majority",
            "latents",
            "tokens",
            "ms"));
    for (Summary.Result r : summary.cells()) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-18s%10d%8.1f%%  %-15s%9s%9s%10.1f%10.1f%10.1f%n",
              r.cell(),
              r.questions(),
              100 * r.passAt1(),
              String.format(Locale.ROOT, "%.1f to %.1f", 100 * r.low(), 100 * r.high()),
              percent(r.deviation()),
              percent(r.majority()),
              r.latentTokens(),
              r.generated(),
              r.totalMs()));
    }
    return text.toString();
  }

  private static String percent(@Nullable Double part) {
    return part == null ? "-" : String.format(Locale.ROOT, "%.1f%%", 100 * part);
  }
}
