package io.lrt4j;

/** How much is run of what is random, or of all that could be combined: more with -Dfuzz=8. */
public final class Fuzz {
  /** By how much there is more of what is random. */
  public static final int FACTOR = Integer.getInteger("fuzz", 1);

  private Fuzz() {}

  /**
   * Whether to run one combination of several lists' entries, given where each stands in its list:
   * every second, so that every entry still meets half of any other list's, and with a third list
   * all of them.
   */
  public static boolean runs(int... places) {
    int sum = 0;
    for (int place : places) {
      sum += place;
    }
    return FACTOR > 1 || sum % 2 == 0;
  }
}
