package io.lrt4j.evaluation.study;

import io.lrt4j.evaluation.EvaluationException;
import io.lrt4j.evaluation.Statistics;
import io.lrt4j.evaluation.Statistics.Interval;
import io.lrt4j.evaluation.report.Report.Chart;
import io.lrt4j.evaluation.report.Report.Point;
import io.lrt4j.evaluation.report.Report.Section;
import io.lrt4j.evaluation.report.Report.Series;
import io.lrt4j.evaluation.report.Report.Table;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Where the latents of several data sets lie: how alike their means are, and all of them on a map.
 * A question is the mean of its t latents, a vector of the base model's hidden size d.
 */
public final class Geometry {
  private static final int TURNS = 200; // of the iteration; far more than a picture needs
  private static final int DRAWN = 150; // points of a data set

  private final List<Cloud> clouds;
  private final int d;

  /**
   * The questions of a data set.
   *
   * @param name of the data set
   * @param points mean latents of its questions; at least two, all of the same size
   */
  public record Cloud(String name, List<float[]> points) {}

  /**
   * The two directions in which the points differ most.
   *
   * @param first part of their variance that lies in the first direction
   * @param second part that lies in the second
   * @param points where they are on it, {x, y}, by data set
   */
  public record Plane(double first, double second, List<List<double[]>> points) {}

  /** Of at least two data sets. */
  public Geometry(List<Cloud> clouds) {
    if (clouds.size() < 2) {
      throw new EvaluationException(
          "geometry compares data sets: expected at least two, found " + clouds.size());
    }
    for (Cloud cloud : clouds) {
      if (cloud.points.size() < 2) {
        throw new EvaluationException(
            cloud.name + ": geometry needs at least two questions, found " + cloud.points.size());
      }
    }
    this.clouds = List.copyOf(clouds);
    d = clouds.getFirst().points.getFirst().length;
  }

  /** A question's point: the mean of its latents, [t][d]. */
  public static float[] point(float[][] latents) {
    float[] mean = new float[latents[0].length];
    for (float[] latent : latents) {
      for (int i = 0; i < mean.length; i++) {
        mean[i] += latent[i] / latents.length;
      }
    }
    return mean;
  }

  /**
   * Cosines of the angles between mean latents, [sets][sets], with 95 % intervals over questions.
   * On the diagonal a data set's two halves, without an interval: what alike means here.
   *
   * <p>A question's influence on a cosine is its distance from its set's mean along the cosine's
   * gradient; their variance gives the standard error (the nonparametric delta method, Efron 1982,
   * section 6), and Fisher's z = artanh(cosine) keeps the interval within -1 to 1. Resampling would
   * not do: the mean of a resample is further from everything than the mean itself, so that all
   * cosines of resamples come out too small.
   *
   * @param centred whether the mean of all data sets' means is taken away first
   */
  public Interval[][] cosines(boolean centred) {
    int n = clouds.size();
    double[][] means = clouds.stream().map(c -> mean(c.points)).toArray(double[][]::new);
    double[] origin = new double[d];
    double share = centred ? 1.0 / n : 0; // of every set in the origin
    for (double[] mean : means) {
      add(origin, mean, share);
    }
    Interval[][] cosines = new Interval[n][n];
    for (int a = 0; a < n; a++) {
      for (int b = 0; b < n; b++) {
        cosines[a][b] =
            a == b ? halves(clouds.get(a).points, origin) : between(means, origin, a, b, share);
      }
    }
    return cosines;
  }

  private Interval between(double[][] means, double[] origin, int a, int b, double share) {
    double[] u = means[a].clone();
    double[] v = means[b].clone();
    add(u, origin, -1);
    add(v, origin, -1);
    double cosine = cosine(u, v);
    double[] byU = gradient(u, v, cosine);
    double[] byV = gradient(v, u, cosine);
    double variance = 0;
    for (int k = 0; k < means.length; k++) {
      double[] by = new double[d]; // the gradient with respect to this set's mean
      add(by, byU, (k == a ? 1 : 0) - share);
      add(by, byV, (k == b ? 1 : 0) - share);
      variance += varianceAlong(by, clouds.get(k).points, means[k]);
    }
    return Statistics.correlation(cosine, Math.sqrt(variance));
  }

  /** Of cos(u, v) with respect to u: (v/|v| - cos u/|u|) / |u|. */
  private static double[] gradient(double[] u, double[] v, double cosine) {
    double[] gradient = new double[u.length];
    double length = Math.sqrt(dot(u, u));
    add(gradient, v, 1 / (length * Math.sqrt(dot(v, v))));
    add(gradient, u, -cosine / (length * length));
    return gradient;
  }

  /** Of the mean of {@code points}, in one direction. */
  private static double varianceAlong(double[] direction, List<float[]> points, double[] mean) {
    double squares = 0;
    for (float[] point : points) {
      double along = 0;
      for (int i = 0; i < mean.length; i++) {
        along += direction[i] * (point[i] - mean[i]);
      }
      squares += along * along;
    }
    return squares / (points.size() * (points.size() - 1.0));
  }

  private Interval halves(List<float[]> points, double[] origin) {
    double[][] halves = new double[2][];
    for (int half = 0; half < 2; half++) {
      int odd = half;
      halves[half] =
          mean(
              IntStream.range(0, points.size())
                  .filter(i -> i % 2 == odd)
                  .mapToObj(points::get)
                  .toList());
      add(halves[half], origin, -1);
    }
    double cosine = cosine(halves[0], halves[1]);
    return new Interval(cosine, cosine, cosine);
  }

  private double[] mean(List<float[]> points) {
    double[] mean = new double[d];
    for (float[] point : points) {
      for (int i = 0; i < d; i++) {
        mean[i] += point[i] / (double) points.size();
      }
    }
    return mean;
  }

  private static void add(double[] to, double[] what, double times) {
    for (int i = 0; i < to.length; i++) {
      to[i] += times * what[i];
    }
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static double cosine(double[] a, double[] b) {
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  }

  /** The principal components of all points together, by subspace iteration. */
  public Plane plane() {
    List<float[]> all = clouds.stream().flatMap(c -> c.points.stream()).toList();
    double[] centre = mean(all);
    double[][] rows = new double[all.size()][d];
    double variance = 0;
    for (int i = 0; i < rows.length; i++) {
      for (int j = 0; j < d; j++) {
        rows[i][j] = all.get(i)[j] - centre[j];
      }
      variance += dot(rows[i], rows[i]);
    }
    var random = new SplittableRandom(1);
    double[][] axes = new double[Math.min(2, d)][];
    double[] spread = new double[2];
    for (int k = 0; k < axes.length; k++) {
      axes[k] = random.doubles(d, -1, 1).toArray();
    }
    for (int turn = 0; turn < TURNS; turn++) {
      for (int k = 0; k < axes.length; k++) {
        double[] next = new double[d]; // covariance times axis, and across those before it
        for (double[] row : rows) {
          add(next, row, dot(row, axes[k]));
        }
        for (int before = 0; before < k; before++) {
          add(next, axes[before], -dot(next, axes[before]));
        }
        double length = Math.sqrt(dot(next, next));
        spread[k] = length;
        axes[k] = length > 0 ? Arrays.stream(next).map(v -> v / length).toArray() : next;
      }
    }
    List<List<double[]>> points = new ArrayList<>();
    int at = 0;
    for (Cloud cloud : clouds) {
      List<double[]> of = new ArrayList<>();
      for (int i = 0; i < cloud.points.size(); i++, at++) {
        of.add(new double[] {dot(rows[at], axes[0]), axes.length < 2 ? 0 : dot(rows[at], axes[1])});
      }
      points.add(of);
    }
    double whole = variance > 0 ? variance : 1;
    return new Plane(spread[0] / whole, spread[1] / whole, points);
  }

  /** Cosines, and the map; of more than two data sets also what is left without their mean. */
  public List<Section> sections() {
    List<Section> sections = new ArrayList<>();
    Plane plane = plane();
    List<Series> series = new ArrayList<>();
    for (int a = 0; a < clouds.size(); a++) {
      List<double[]> points = plane.points.get(a);
      int every = Math.max(1, (points.size() + DRAWN - 1) / DRAWN);
      series.add(
          new Series(
              clouds.get(a).name,
              false,
              IntStream.range(0, points.size())
                  .filter(i -> i % every == 0)
                  .mapToObj(i -> new Point(points.get(i)[0], points.get(i)[1], null, null))
                  .toList()));
    }
    var map =
        new Chart(
            "Questions by their mean latents",
            axis("first", plane.first),
            axis("second", plane.second),
            series);
    sections.add(
        new Section(
            "Geometry of latents",
            "A question is the mean of its latents. Cosines between the means of data sets, with"
                + " 95 % intervals over questions; on the diagonal between the two halves of one."
                + " The map shows the two directions in which questions differ most.",
            table(cosines(false)),
            List.of(map)));
    if (clouds.size() > 2) {
      sections.add(
          new Section(
              "Geometry without what is common",
              "The same cosines after the mean of all data sets has been taken away.",
              table(cosines(true)),
              List.of()));
    }
    return sections;
  }

  private static String axis(String which, double part) {
    return String.format(
        Locale.ROOT, "%s principal component, %.0f %% of variance", which, 100 * part);
  }

  private Table table(Interval[][] cosines) {
    List<String> columns = new ArrayList<>(List.of("data set", "questions"));
    List<List<String>> rows = new ArrayList<>();
    for (int a = 0; a < clouds.size(); a++) {
      columns.add(clouds.get(a).name);
      List<String> row = new ArrayList<>();
      row.add(clouds.get(a).name);
      row.add(Integer.toString(clouds.get(a).points.size()));
      for (int b = 0; b < clouds.size(); b++) {
        Interval c = cosines[a][b];
        row.add(
            a == b
                ? String.format(Locale.ROOT, "%.3f", c.value())
                : String.format(Locale.ROOT, "%.3f (%.3f to %.3f)", c.value(), c.low(), c.high()));
      }
      rows.add(row);
    }
    return new Table(columns, rows);
  }
}
