package io.lrt4j.evaluation.report;

import io.lrt4j.evaluation.report.Report.Chart;
import io.lrt4j.evaluation.report.Report.Point;
import io.lrt4j.evaluation.report.Report.Series;
import java.util.Locale;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * A chart as SVG that takes its colours from the page, so that it is readable in light and dark.
 * Charting libraries for Java measure text with AWT, which needs fonts that a server may lack.
 */
final class Svg {
  private static final int WIDTH = 420;
  private static final int HEIGHT = 260;
  private static final int LEFT = 52;
  private static final int RIGHT = 12;
  private static final int TOP = 10;
  private static final int BOTTOM = 40;
  private static final int COLOURS = 5;
  private static final String[] DASHES = {"", "6 3", "2 3", "8 3 2 3", "12 4"};

  private Svg() {}

  static String figure(Chart chart) {
    double[] xs = axis(all(chart, false));
    double[] ys = axis(all(chart, true));
    DoubleUnaryOperator x = scale(xs, LEFT, WIDTH - RIGHT);
    DoubleUnaryOperator y = scale(ys, HEIGHT - BOTTOM, TOP);
    var out =
        new StringBuilder("<figure><figcaption>" + Html.escape(chart.title()) + "</figcaption>");
    legend(out, chart);
    out.append(
        String.format(
            Locale.ROOT,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">",
            WIDTH,
            HEIGHT,
            Html.escape(chart.title())));
    ticks(out, xs, ys, x, y);
    axes(out, chart);
    for (int i = 0; i < chart.series().size(); i++) {
      series(out, i, chart.series().get(i), x, y);
    }
    return out.append("</svg></figure>\n").toString();
  }

  private static void legend(StringBuilder out, Chart chart) {
    out.append("<ul class=\"legend\">");
    for (int i = 0; i < chart.series().size(); i++) {
      out.append("<li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\">");
      line(out, i, chart.series().get(i).joined() ? "0,6 26,6" : "");
      out.append(dot(i, 13, 6)).append("</svg>");
      out.append(Html.escape(chart.series().get(i).name())).append("</li>");
    }
    out.append("</ul>\n");
  }

  /** Numbers beside both axes, and a line across at each of the vertical one's. */
  private static void ticks(
      StringBuilder out, double[] xs, double[] ys, DoubleUnaryOperator x, DoubleUnaryOperator y) {
    for (double tick : ys) {
      double at = y.applyAsDouble(tick);
      out.append(
          String.format(
              Locale.ROOT,
              "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
              LEFT,
              WIDTH - RIGHT,
              at,
              at));
      out.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
              LEFT - 5,
              at + 4,
              number(tick)));
    }
    for (double tick : xs) {
      out.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
              x.applyAsDouble(tick),
              HEIGHT - BOTTOM + 16,
              number(tick)));
    }
  }

  /** The horizontal axis, and what both are of. */
  private static void axes(StringBuilder out, Chart chart) {
    out.append(
        String.format(
            Locale.ROOT,
            "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>",
            LEFT,
            WIDTH - RIGHT,
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM));
    out.append(
        String.format(
            Locale.ROOT,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>",
            (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 6,
            Html.escape(chart.x())));
    out.append(
        String.format(
            Locale.ROOT,
            "<text transform=\"rotate(-90)\" x=\"%d\" y=\"11\" text-anchor=\"middle\">%s</text>",
            -(TOP + HEIGHT - BOTTOM) / 2,
            Html.escape(chart.y())));
  }

  private static void series(
      StringBuilder out, int i, Series series, DoubleUnaryOperator x, DoubleUnaryOperator y) {
    var path = new StringBuilder();
    for (Point p : series.points()) {
      double px = x.applyAsDouble(p.x());
      path.append(String.format(Locale.ROOT, "%.1f,%.1f ", px, y.applyAsDouble(p.y())));
      if (p.low() != null && p.high() != null) {
        out.append(
            String.format(
                Locale.ROOT,
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\""
                    + " style=\"stroke:var(--s%d);opacity:.6\"/>",
                px,
                px,
                y.applyAsDouble(p.low()),
                y.applyAsDouble(p.high()),
                i % COLOURS));
      }
    }
    line(out, i, series.joined() ? path.toString().strip() : "");
    for (Point p : series.points()) {
      out.append("<g>").append(dot(i, x.applyAsDouble(p.x()), y.applyAsDouble(p.y())));
      out.append("<title>").append(Html.escape(series.name()));
      out.append(": ")
          .append(number(p.x()))
          .append(", ")
          .append(number(p.y()))
          .append("</title></g>");
    }
  }

  private static void line(StringBuilder out, int i, String points) {
    if (!points.isEmpty()) {
      out.append(
          String.format(
              Locale.ROOT,
              "<polyline fill=\"none\" stroke-width=\"2\" stroke-dasharray=\"%s\""
                  + " style=\"stroke:var(--s%d)\" points=\"%s\"/>",
              DASHES[i % DASHES.length],
              i % COLOURS,
              points));
    }
  }

  /** A mark of the series' own form and colour: neither alone tells it to everybody. */
  private static String dot(int i, double x, double y) {
    String form =
        switch (i % 4) {
          case 0 -> ""; // a circle
          case 1 -> "-3 -3 6 0 0 6 -6 0"; // a square
          case 2 -> "0 -4.4 4 7.2 -8 0"; // a triangle
          default -> "0 -4.5 4.5 4.5 -4.5 4.5 -4.5 -4.5"; // a diamond
        };
    return form.isEmpty()
        ? String.format(
            Locale.ROOT,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" style=\"fill:var(--s%d)\"/>",
            x,
            y,
            i % COLOURS)
        : String.format(
            Locale.ROOT,
            "<path d=\"M%.1f %.1fm%sz\" style=\"fill:var(--s%d)\"/>",
            x,
            y,
            form,
            i % COLOURS);
  }

  private static double[] all(Chart chart, boolean vertical) {
    var values = DoubleStream.builder();
    for (Series series : chart.series()) {
      for (Point p : series.points()) {
        values.add(vertical ? p.y() : p.x());
        if (vertical && p.low() != null && p.high() != null) {
          values.add(p.low()).add(p.high());
        }
      }
    }
    return values.build().filter(Double::isFinite).toArray();
  }

  /** Round ticks that span all values. */
  private static double[] axis(double[] values) {
    double low = DoubleStream.of(values).min().orElse(0);
    double high = DoubleStream.of(values).max().orElse(1);
    double span = high > low ? high - low : Math.max(1, Math.abs(high));
    double step = Math.pow(10, Math.floor(Math.log10(span / 4)));
    while (span / step > 6) {
      step *= span / step > 12 ? 5 : 2;
    }
    double first = Math.floor(low / step);
    int count = (int) (Math.ceil(high / step + (high > low ? 0 : 1)) - first) + 1;
    double by = step;
    return IntStream.range(0, count).mapToDouble(i -> (first + i) * by).toArray();
  }

  private static DoubleUnaryOperator scale(double[] ticks, double from, double to) {
    double low = ticks[0];
    double high = ticks[ticks.length - 1];
    return v -> from + (v - low) / (high - low) * (to - from);
  }

  private static String number(double value) {
    String text = String.format(Locale.ROOT, "%.4g", value);
    return text.contains("e") ? text : text.contains(".") ? text.replaceFirst("\\.?0+$", "") : text;
  }
}
