package io.lrt4j.training;

import java.util.ArrayList;
import java.util.List;

/** Cuts lists. */
final class Batches {
  private Batches() {}

  /** {@code parts} lists of nearly the same size, fewer if there are fewer elements. */
  static <T> List<List<T>> split(List<T> all, int parts) {
    List<List<T>> lists = new ArrayList<>();
    for (int i = 0; i < parts; i++) {
      int from = (int) ((long) all.size() * i / parts);
      int to = (int) ((long) all.size() * (i + 1) / parts);
      if (from < to) {
        lists.add(all.subList(from, to));
      }
    }
    return lists;
  }

  /** Lists of {@code size}, the last one maybe smaller. */
  static <T> List<List<T>> of(List<T> all, int size) {
    return split(all, Math.ceilDiv(all.size(), size));
  }
}
