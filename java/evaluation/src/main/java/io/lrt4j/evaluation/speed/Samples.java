package io.lrt4j.evaluation.speed;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Repeated measurements by name; the first of each is to warm up. */
public final class Samples {
  private final Map<String, List<Double>> values = new LinkedHashMap<>();

  /** One more of a name. */
  public void add(String name, double value) {
    values.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
  }

  /** The median of all but the first. */
  public double median(String name) {
    return median(counted(name));
  }

  /** The largest of all but the first. */
  public double largest(String name) {
    return counted(name).stream().mapToDouble(Double::doubleValue).max().orElse(0);
  }

  /** All but the first. */
  public List<Double> counted(String name) {
    List<Double> all = values.getOrDefault(name, List.of());
    if (all.size() < 2) {
      throw new IllegalStateException(name + " was measured " + all.size() + " times");
    }
    return all.subList(1, all.size());
  }

  /** The middle one, or the mean of the middle two. */
  public static double median(Collection<Double> values) {
    double[] sorted = sorted(values);
    int n = sorted.length;
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  }

  /** The smallest value that {@code percent} of all do not exceed. */
  public static double percentile(Collection<Double> values, int percent) {
    double[] sorted = sorted(values);
    return sorted[Math.max(0, Math.ceilDiv(percent * sorted.length, 100) - 1)];
  }

  private static double[] sorted(Collection<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    return sorted;
  }
}
