package io.lrt4j.bench;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;

/** Text in columns, the first to the left, the others to the right. */
final class Table {
  private final List<List<String>> rows = new ArrayList<>();

  Table(String... heads) {
    rows.add(List.of(heads));
  }

  void add(String... cells) {
    rows.add(List.of(cells));
  }

  void print(PrintStream out) {
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
