package io.lrt4j.evaluation.report;

/** A report as one page: no script, no file and no address besides itself. */
final class Html {
  private static final String STYLE =
      """
      :root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0;
        --ground: #ffffff; --s0: #0b62c4; --s1: #b3450a; --s2: #1a7f37; --s3: #8250df; --s4: #a8075a; }
      @media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d;
        --ground: #0d1117; --s0: #6cb6ff; --s1: #ffa657; --s2: #56d364; --s3: #d2a8ff; --s4: #ff8fc7; } }
      * { box-sizing: border-box; }
      body { margin: 0 auto; max-width: 56rem; padding: 1rem; background: var(--ground);
        color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
      h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; line-height: 1.3; }
      .wide { overflow-x: auto; }
      table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
      th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right;
        white-space: nowrap; }
      th:first-child, td:first-child { text-align: left; }
      th { color: var(--soft); font-weight: 600; }
      figure { margin: 1.5rem 0; } figcaption { font-weight: 600; }
      svg { width: 100%; max-width: 42rem; height: auto; font: 12px system-ui, sans-serif; }
      svg text { fill: var(--soft); } .grid { stroke: var(--line); } .axis { stroke: var(--soft); }
      .legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; padding: 0; list-style: none;
        font-size: 0.9rem; }
      .legend svg { width: 1.6rem; height: 0.8rem; vertical-align: middle; margin-right: 0.4rem; }
      dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 0.9rem; }
      dt { color: var(--soft); } dd { margin: 0; }
      @media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.5rem; } }
      """;

  private Html() {}

  static String page(Report report) {
    var page =
        new StringBuilder("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.append("<link rel=\"icon\" href=\"data:,\">"); // or a browser asks for one
    page.append("<title>").append(escape(report.title())).append("</title>");
    page.append("<style>\n").append(STYLE).append("</style></head>\n<body>\n<h1>");
    page.append(escape(report.title())).append("</h1>\n");
    for (Report.Section section : report.sections()) {
      page.append("<section><h2>").append(escape(section.title())).append("</h2>\n<p>");
      page.append(escape(section.text())).append("</p>\n");
      section.charts().forEach(chart -> page.append(Svg.figure(chart)));
      table(page, section.table());
      page.append("</section>\n");
    }
    page.append("<section><h2>How</h2>\n<dl>");
    report
        .facts()
        .forEach(
            (name, value) ->
                page.append("<dt>")
                    .append(escape(name))
                    .append("</dt><dd>")
                    .append(escape(value))
                    .append("</dd>\n"));
    return page.append("</dl></section>\n</body></html>\n").toString();
  }

  private static void table(StringBuilder page, Report.Table table) {
    page.append("<div class=\"wide\"><table><thead><tr>");
    table.columns().forEach(c -> page.append("<th>").append(escape(c)).append("</th>"));
    page.append("</tr></thead><tbody>\n");
    for (var row : table.rows()) {
      page.append("<tr>");
      row.forEach(cell -> page.append("<td>").append(escape(cell)).append("</td>"));
      page.append("</tr>\n");
    }
    page.append("</tbody></table></div>\n");
  }

  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
