package io.lrt4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Text in columns, the first to the left, the others to the right. */
final class Table {
  private final List<List<String>> rows = new ArrayList<>();

  Table(String... heads) {
    rows.add(List.of(heads));
  }

  /** Numbers of several objects that have the same fields, side by side. */
  static Table of(String title, Iterable<JsonNode> objects) {
    Map<String, List<String>> fields = new LinkedHashMap<>();
    List<String> heads = new ArrayList<>(List.of(title));
    for (JsonNode object : objects) {
      heads.add("");
      addAll("", object, fields);
    }
    Table table = new Table(heads.toArray(String[]::new));
    fields.forEach(
        (name, values) -> {
          List<String> row = new ArrayList<>(List.of(name));
          row.addAll(values);
          table.add(row.toArray(String[]::new));
        });
    return table;
  }

  private static void addAll(String prefix, JsonNode node, Map<String, List<String>> fields) {
    for (var entry : node.properties()) {
      String name = prefix + entry.getKey();
      JsonNode value = entry.getValue();
      if (value.isObject()) {
        addAll(name + ".", value, fields);
      } else {
        fields.computeIfAbsent(name, _ -> new ArrayList<>()).add(text(value));
      }
    }
  }

  private static String text(JsonNode value) {
    double number = value.asDouble();
    return value.isDouble()
        ? String.format(Locale.ROOT, number < 100 ? "%.3g" : "%.0f", number)
        : value.asText();
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
