package io.lrt4j.evaluation.speed;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Text in columns, the first to the left, the others to the right. */
public final class Table {
  private final List<List<String>> rows = new ArrayList<>();

  /** Begins with a line of heads, one a column. */
  public Table(String... heads) {
    rows.add(List.of(heads));
  }

  /** One more line; a cell for every column. */
  public void add(String... cells) {
    rows.add(List.of(cells));
  }

  /** Characters of the longest line, at most. */
  public int width() {
    int[] widths = widths();
    return Arrays.stream(widths).sum() + 2 * (widths.length - 1);
  }

  private int[] widths() {
    int[] widths = new int[rows.getFirst().size()];
    for (List<String> row : rows) {
      for (int c = 0; c < widths.length; c++) {
        widths[c] = Math.max(widths[c], row.get(c).length());
      }
    }
    return widths;
  }

  /** The lines, and an empty one. */
  public void print(PrintStream out) {
    int columns = rows.getFirst().size();
    int[] widths = widths();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int c = 0; c < columns; c++) {
        String padding = " ".repeat(widths[c] - row.get(c).length());
        line.append(c == 0 ? "" : "  ");
        line.append(c == 0 ? row.get(c) + padding : padding + row.get(c));
      }
      out.println(line.toString().stripTrailing());
    }
    out.println();
  }
}
