package io.lrt4j.evaluation.speed;

import java.io.PrintStream;
import java.util.ArrayList;
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

  /** The lines, and an empty one. */
  public void print(PrintStream out) {
    int columns = rows.getFirst().size();
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int c = 0; c < columns; c++) {
        widths[c] = Math.max(widths[c], row.get(c).length());
      }
    }
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
