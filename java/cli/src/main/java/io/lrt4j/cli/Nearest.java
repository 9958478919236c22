package io.lrt4j.cli;

import java.util.Comparator;
import java.util.stream.Stream;

/** The name that somebody may have meant. */
final class Nearest {
  private Nearest() {}

  /** " (did you mean …?)" where one of the names is near what was typed, else nothing. */
  static String hint(String typed, Stream<String> names) {
    int most = typed.replace("-", "").length() < 4 ? 1 : 2;
    return names
        .filter(name -> name.length() >= typed.length() - most) // whatever length may be typed
        .filter(name -> far(typed, name) <= most)
        .min(Comparator.comparingInt(name -> far(typed, name)))
        .map(name -> " (did you mean " + name + "?)")
        .orElse("");
  }

  /** What begins a name is nearest to it. */
  private static int far(String typed, String name) {
    boolean begins = typed.replace("-", "").length() > 2 && name.startsWith(typed);
    return begins ? 0 : distance(typed, name);
  }

  /** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
  static int distance(String a, String b) {
    int[][] d = new int[a.length() + 1][b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        int other = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
        d[i][j] = Math.min(Math.min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + other);
        if (i > 1
            && j > 1
            && a.charAt(i - 1) == b.charAt(j - 2)
            && a.charAt(i - 2) == b.charAt(j - 1)) {
          d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
        }
      }
    }
    return d[a.length()][b.length()];
  }
}
