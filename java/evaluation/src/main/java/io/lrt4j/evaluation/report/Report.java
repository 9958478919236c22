package io.lrt4j.evaluation.report;

import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.evaluation.EvaluationException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What was found, and how.
 *
 * @param title of the page
 * @param facts command, model, machine and versions, by name
 * @param sections in order
 */
public record Report(String title, Map<String, String> facts, List<Section> sections) {
  /**
   * One finding.
   *
   * @param title of the section
   * @param text one paragraph: what was done, and what came of it
   * @param table its figures
   * @param charts of the same figures
   */
  public record Section(String title, String text, Table table, List<Chart> charts) {}

  /**
   * Figures, as they are to be read.
   *
   * @param columns heads; the first column names the row
   * @param rows as many cells as columns
   */
  public record Table(List<String> columns, List<List<String>> rows) {}

  /**
   * Points over a number.
   *
   * @param title what it shows
   * @param x what is on the horizontal axis
   * @param y what is on the vertical axis
   * @param series at least one
   */
  public record Chart(String title, String x, String y, List<Series> series) {}

  /**
   * A row of points.
   *
   * @param name in the legend
   * @param joined whether a line leads from one to the next
   * @param points from left to right
   */
  public record Series(String name, boolean joined, List<Point> points) {}

  /**
   * A point, with its interval if there is one.
   *
   * @param low lower end; null without an interval
   * @param high upper end
   */
  public record Point(double x, double y, @Nullable Double low, @Nullable Double high) {}

  /** Writes {@code NAME.html}, {@code NAME.md} and {@code NAME.json}. */
  public void write(Path folder, String name) {
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve(name + ".html"), Html.page(this));
      Files.writeString(folder.resolve(name + ".md"), markdown());
      Files.writeString(
          folder.resolve(name + ".json"),
          new JsonMapper().writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n");
    } catch (IOException e) {
      throw new EvaluationException(folder + ": cannot be written: " + ModelFiles.cause(e), e);
    }
  }

  /** Titles, paragraphs and tables. */
  public String markdown() {
    var text = new StringBuilder("# " + title + "\n");
    for (Section s : sections) {
      text.append("\n## ").append(s.title).append("\n\n").append(s.text).append("\n\n");
      row(text, s.table.columns);
      row(text, s.table.columns.stream().map(_ -> "---").toList());
      s.table.rows.forEach(row -> row(text, row));
    }
    text.append("\n## How\n\n");
    facts.forEach(
        (name, value) -> text.append("- ").append(name).append(": `").append(value).append("`\n"));
    return text.toString();
  }

  private static void row(StringBuilder to, List<String> cells) {
    for (String cell : cells) {
      to.append("| ").append(cell.replace("|", "\\|").replace("\n", " ")).append(' ');
    }
    to.append("|\n");
  }
}
