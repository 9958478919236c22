package io.lrt4j.evaluation.study;

import io.lrt4j.checkpoint.CheckpointWriter;
import io.lrt4j.checkpoint.ConfidenceMeasure;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.EvaluationException;
import io.lrt4j.evaluation.Statistics;
import io.lrt4j.evaluation.Statistics.Interval;
import io.lrt4j.evaluation.Trial;
import io.lrt4j.evaluation.grade.Grader;
import io.lrt4j.evaluation.report.Report.Chart;
import io.lrt4j.evaluation.report.Report.Point;
import io.lrt4j.evaluation.report.Report.Section;
import io.lrt4j.evaluation.report.Report.Series;
import io.lrt4j.evaluation.report.Report.Table;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Hybrid reasoning: every question is answered latently, and thought about in text where the latent
 * answer is not confident enough. Out of both answers to every question follows what any threshold
 * would have given.
 */
public final class Hybrid {
  /** How far below explicit accuracy a threshold may be, unless somebody wants it otherwise. */
  public static final double TOLERANCE = 0.01;

  private static final int CURVE = 50; // points of it that are drawn

  /** What tells whether a latent answer is to be trusted. */
  public enum Measure {
    /** Mean log-probability of the answer's tokens. */
    MEAN_LOGPROB,
    /** Smallest difference between the two largest logits. */
    SMALLEST_MARGIN,
    /** Part of k samples that agree with the answer; they are to be paid for. */
    AGREEMENT
  }

  /**
   * What a threshold gives.
   *
   * @param threshold latent answers with less confidence are given up
   * @param accuracy of the answers that are then given
   * @param kept part of the latent answers
   * @param tokens written one after another, mean
   * @param millis mean time
   */
  public record Setting(
      double threshold, double accuracy, double kept, double tokens, double millis) {}

  /**
   * The threshold that was chosen.
   *
   * @param measure that it is about
   * @param chosen what it gives on the questions that it was chosen with
   * @param tested what it gives on the others
   * @param explicit accuracy of explicit answers on those
   */
  public record Calibration(Measure measure, Setting chosen, Setting tested, double explicit) {
    /** Writes it into a network's config.json, for {@code auto}. */
    public void write(Path network) {
      NetworkConfig config;
      try (NetworkCheckpoint stored = NetworkCheckpoint.open(network)) {
        config = stored.config();
      }
      CheckpointWriter.networkConfig(
          network, config.calibrated(chosen.threshold, ConfidenceMeasure.valueOf(measure.name())));
    }
  }

  /**
   * Both answers to a question.
   *
   * @param agreement part of the samples that agree with the latent answer
   * @param sampledTokens what they took
   * @param sampledMillis what they took
   */
  private record Pair(
      Trial latent, Trial explicit, double agreement, double sampledTokens, double sampledMillis) {
    static Pair of(Trial latent, Trial explicit, List<Trial> samples) {
      double agree =
          samples.stream().filter(t -> Grader.AUTO.agree(latent.found(), t.found())).count();
      return new Pair(
          latent,
          explicit,
          samples.isEmpty() ? 1 : agree / samples.size(),
          samples.stream().mapToInt(Trial::generated).sum(),
          samples.stream().mapToDouble(Trial::totalMs).max().orElse(0)); // side by side
    }

    /** Tokens before it is known whether the latent answer stands. */
    double tokens(Measure measure) {
      return latent.generated() + (measure == Measure.AGREEMENT ? sampledTokens : 0);
    }

    double millis(Measure measure) {
      return latent.totalMs() + (measure == Measure.AGREEMENT ? sampledMillis : 0);
    }

    double confidence(Measure measure) {
      Double value =
          switch (measure) {
            case MEAN_LOGPROB -> latent.confidence();
            case SMALLEST_MARGIN -> latent.margin();
            case AGREEMENT -> Double.valueOf(agreement);
          };
      return value == null ? Double.NEGATIVE_INFINITY : value;
    }
  }

  private final List<Pair> pairs = new ArrayList<>();
  private final boolean sampled;

  /** From both modes' answers to the same questions. */
  public Hybrid(List<Answered> latent, List<Answered> explicit) {
    this(latent, explicit, List.of());
  }

  /**
   * The same, with samples for {@link Measure#AGREEMENT}.
   *
   * @param samples several latent answers to every question, or none at all
   */
  public Hybrid(List<Answered> latent, List<Answered> explicit, List<Answered> samples) {
    Map<String, Answered> other = new LinkedHashMap<>();
    explicit.forEach(a -> other.put(a.id(), a));
    Map<String, List<Trial>> drawn = new LinkedHashMap<>();
    samples.forEach(a -> drawn.put(a.id(), a.trials()));
    for (Answered a : latent) {
      Answered b = other.get(a.id());
      if (b != null) {
        pairs.add(
            Pair.of(
                a.trials().getFirst(),
                b.trials().getFirst(),
                drawn.getOrDefault(a.id(), List.of())));
      }
    }
    if (pairs.size() < 2) {
      throw new EvaluationException(
          "a threshold needs at least two questions answered in both modes, found " + pairs.size());
    }
    sampled = !samples.isEmpty();
  }

  /** The measures that there is something to see of. */
  public List<Measure> measures() {
    return sampled
        ? List.of(Measure.values())
        : List.of(Measure.MEAN_LOGPROB, Measure.SMALLEST_MARGIN);
  }

  /** All thresholds, from nothing given up to everything. */
  public List<Setting> curve(Measure measure) {
    return curve(pairs, measure);
  }

  private static List<Setting> curve(List<Pair> pairs, Measure measure) {
    List<Pair> sorted = new ArrayList<>(pairs);
    sorted.sort(Comparator.comparingDouble(p -> p.confidence(measure)));
    int n = sorted.size();
    double right = 0;
    double tokens = 0;
    double millis = 0;
    for (Pair p : sorted) {
      right += p.latent.right() ? 1 : 0;
      tokens += p.tokens(measure);
      millis += p.millis(measure);
    }
    List<Setting> curve = new ArrayList<>();
    curve.add(new Setting(-Double.MAX_VALUE, right / n, 1, tokens / n, millis / n));
    for (int i = 0; i < n; i++) {
      Pair p = sorted.get(i);
      right += (p.explicit.right() ? 1 : 0) - (p.latent.right() ? 1 : 0);
      tokens += p.explicit.generated();
      millis += p.explicit.totalMs();
      double here = p.confidence(measure);
      double next = i + 1 < n ? sorted.get(i + 1).confidence(measure) : Double.POSITIVE_INFINITY;
      if (here < next) { // no threshold parts equal ones
        double threshold =
            Double.isInfinite(next) || Double.isInfinite(here)
                ? (Double.isInfinite(next) ? Double.MAX_VALUE : next)
                : here + (next - here) / 2;
        curve.add(new Setting(threshold, right / n, (n - 1.0 - i) / n, tokens / n, millis / n));
      }
    }
    return curve;
  }

  private static Setting at(List<Pair> pairs, Measure measure, double threshold) {
    double right = 0;
    double tokens = 0;
    double millis = 0;
    double kept = 0;
    for (Pair p : pairs) {
      boolean keep = p.confidence(measure) >= threshold;
      kept += keep ? 1 : 0;
      right += (keep ? p.latent : p.explicit).right() ? 1 : 0;
      tokens += p.tokens(measure) + (keep ? 0 : p.explicit.generated());
      millis += p.millis(measure) + (keep ? 0 : p.explicit.totalMs());
    }
    int n = pairs.size();
    return new Setting(threshold, right / n, kept / n, tokens / n, millis / n);
  }

  /**
   * Chooses on every other question, and tests on the rest: the measure and threshold that write
   * the fewest tokens with an accuracy at most {@code tolerance} below explicit.
   */
  public Calibration calibrate(double tolerance) {
    List<Pair> chosenOn = new ArrayList<>();
    List<Pair> testedOn = new ArrayList<>();
    for (int i = 0; i < pairs.size(); i++) {
      (i % 2 == 0 ? chosenOn : testedOn).add(pairs.get(i));
    }
    double explicit = explicit(chosenOn);
    Calibration best = null;
    for (Measure measure : List.of(Measure.MEAN_LOGPROB, Measure.SMALLEST_MARGIN)) {
      Setting chosen =
          curve(chosenOn, measure).stream()
              .filter(s -> s.accuracy >= explicit - tolerance - 1e-12)
              .min(Comparator.comparingDouble(Setting::tokens))
              .orElseThrow(); // everything given up is explicit itself
      if (best == null || chosen.tokens < best.chosen.tokens) {
        best =
            new Calibration(
                measure, chosen, at(testedOn, measure, chosen.threshold), explicit(testedOn));
      }
    }
    return Objects.requireNonNull(best);
  }

  private static double explicit(List<Pair> pairs) {
    return Sections.mean(pairs.stream().mapToDouble(p -> p.explicit.right() ? 1 : 0).toArray());
  }

  /** Curves and threshold. */
  public Section section(Calibration calibration) {
    List<Series> series = new ArrayList<>();
    List<List<String>> rows = new ArrayList<>();
    for (Measure measure : measures()) {
      List<Setting> curve = curve(measure);
      String name = measure.name().toLowerCase(Locale.ROOT).replace('_', ' ');
      List<Point> points = new ArrayList<>();
      int last = curve.size() - 1;
      for (int i = 0, drawn = -1; i <= CURVE; i++) { // closer where little is given up
        int at = Math.round((float) last * i * i / (CURVE * CURVE));
        if (at > drawn) {
          Setting s = curve.get(at);
          points.add(new Point(s.tokens, 100 * s.accuracy, null, null));
          drawn = at;
        }
      }
      series.add(new Series(name, true, points));
      IntStream.rangeClosed(0, 5)
          .map(fifth -> fifth * last / 5)
          .distinct() // agreement has few values
          .forEach(at -> rows.add(row(name, curve.get(at), pairs.size())));
    }
    rows.add(row("chosen, on its half", calibration.chosen, (pairs.size() + 1) / 2));
    rows.add(row("chosen, on the other half", calibration.tested, pairs.size() / 2));
    String text =
        String.format(
            Locale.ROOT,
            "Latent first; explicit where the confidence is below a threshold. Chosen on every"
                + " other question: %s %s, which on the other half keeps %.1f %% of the latent"
                + " answers and is %.1f %% right, explicit alone %.1f %%.",
            calibration.measure.name().toLowerCase(Locale.ROOT),
            threshold(calibration.chosen),
            100 * calibration.tested.kept,
            100 * calibration.tested.accuracy,
            100 * calibration.explicit);
    return new Section(
        "Hybrid reasoning",
        text,
        new Table(
            List.of(
                "confidence",
                "threshold",
                "right, %",
                "95 % interval",
                "latent kept, %",
                "tokens",
                "ms"),
            rows),
        List.of(
            new Chart(
                "Accuracy against cost, over all thresholds",
                "tokens written, mean",
                "right, %",
                series)));
  }

  private static List<String> row(String name, Setting s, int questions) {
    Interval right = Statistics.proportion(s.accuracy, questions);
    return List.of(
        name,
        threshold(s),
        Sections.percent(s.accuracy),
        Sections.percent(right.low()) + " to " + Sections.percent(right.high()),
        Sections.percent(s.kept),
        Sections.number(s.tokens),
        Sections.number(s.millis));
  }

  private static String threshold(Setting s) {
    return Math.abs(s.threshold) == Double.MAX_VALUE
        ? (s.threshold < 0 ? "none given up" : "all given up")
        : String.format(Locale.ROOT, "%.5g", s.threshold);
  }
}
