package io.lrt4j.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Repeated measurements by name; the first of each is to warm up. */
final class Samples {
  private final Map<String, List<Double>> values = new LinkedHashMap<>();

  void add(String name, double value) {
    values.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
  }

  /** The median of all but the first. */
  double median(String name) {
    return Numbers.median(counted(name));
  }

  /** The largest of all but the first. */
  double largest(String name) {
    return counted(name).stream().mapToDouble(Double::doubleValue).max().orElse(0);
  }

  private List<Double> counted(String name) {
    List<Double> all = values.getOrDefault(name, List.of());
    if (all.size() < 2) {
      throw new IllegalStateException(name + " was measured " + all.size() + " times");
    }
    return all.subList(1, all.size());
  }
}
