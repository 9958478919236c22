package io.lrt4j.compute;

/**
 * Which rows of an activation belong to which sequence: runs of consecutive rows, each to be
 * appended to one cache. Made once and refilled for every step, so that a step allocates nothing.
 */
public final class Batch {
  private final KvCache[] caches;
  private final int[] firstRow; // of each run; [runs + 1]
  private int runs;

  /** A batch of at most {@code maxRuns} sequences. */
  public Batch(int maxRuns) {
    caches = new KvCache[maxRuns];
    firstRow = new int[maxRuns + 1];
  }

  public Batch clear() {
    runs = 0;
    return this;
  }

  /** Appends {@code rows} rows that continue {@code cache}; a cache may occur once. */
  public Batch add(KvCache cache, int rows) {
    cache.reserve(rows);
    caches[runs] = cache;
    firstRow[runs + 1] = firstRow[runs] + rows;
    runs++;
    return this;
  }

  public int runs() {
    return runs;
  }

  /** Rows of all runs. */
  public int rows() {
    return firstRow[runs];
  }

  /** One more than the largest position. */
  public int positions() {
    int most = 0;
    for (int run = 0; run < runs; run++) {
      most = Math.max(most, position(run, firstRow[run + 1]));
    }
    return most;
  }

  public KvCache cache(int run) {
    return caches[run];
  }

  public int firstRow(int run) {
    return firstRow[run];
  }

  /** The run that {@code row} belongs to. */
  public int runOf(int row) {
    int run = 0;
    while (row >= firstRow[run + 1]) {
      run++;
    }
    return run;
  }

  /** Position of {@code row} of {@code run} in its sequence. */
  public int position(int run, int row) {
    return caches[run].length() + row - firstRow[run];
  }

  /** Counts every run's rows into its cache, after the last layer. */
  public void advance() {
    for (int run = 0; run < runs; run++) {
      caches[run].advance(firstRow[run + 1] - firstRow[run]);
    }
  }
}
