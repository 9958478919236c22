package io.lrt4j.compute;

import org.jspecify.annotations.Nullable;

/**
 * Which rows of an activation belong to which sequence: runs of consecutive rows, each to be
 * appended to one cache, and whose final hidden states are wanted: the last rows of each run. Runs
 * that are written, token after token, come before those that are read. Made once and refilled for
 * every step, so that a step allocates nothing.
 */
public final class Batch {
  private final KvCache[] caches;
  private final int[] firstRow; // of each run; [runs + 1]
  private final int[] skipped; // rows of its sequence's step that come before a run's first
  private final int[] wanted; // of each run, its last rows
  private int runs;
  private int writtenRuns;
  private int wantedRows;
  private @Nullable Batch rest; // the wanted rows alone; made for the first batch that has others

  /** A batch of at most {@code maxRuns} sequences. */
  public Batch(int maxRuns) {
    caches = new KvCache[maxRuns];
    firstRow = new int[maxRuns + 1];
    skipped = new int[maxRuns];
    wanted = new int[maxRuns];
  }

  public Batch clear() {
    runs = 0;
    writtenRuns = 0;
    wantedRows = 0;
    return this;
  }

  /** Appends {@code rows} rows that continue {@code cache}, all wanted; a cache may occur once. */
  public Batch add(KvCache cache, int rows) {
    return add(cache, rows, rows);
  }

  /**
   * Appends {@code rows} rows that continue {@code cache}.
   *
   * @param wanted how many of them, the last, have final hidden states that are wanted; at least 1
   */
  public Batch add(KvCache cache, int rows, int wanted) {
    if (writtenRuns < runs) {
      throw new IllegalStateException("what is written comes before what is read");
    }
    cache.reserve(rows);
    add(cache, rows, wanted, 0);
    writtenRuns = runs;
    return this;
  }

  /**
   * The same of rows that are read: of a question, say, or latents. A backend may compute them in
   * another way than those that are written, as there are many of them; so a row must be the one or
   * the other whatever it is in a batch with.
   */
  public Batch read(KvCache cache, int rows, int wanted) {
    cache.reserve(rows);
    return add(cache, rows, wanted, 0);
  }

  private Batch add(KvCache cache, int rows, int wanted, int skipped) {
    caches[runs] = cache;
    firstRow[runs + 1] = firstRow[runs] + rows;
    this.skipped[runs] = skipped;
    this.wanted[runs] = wanted;
    wantedRows += wanted;
    runs++;
    return this;
  }

  /** The wanted rows alone, side by side, in the same runs; this batch if they are all. */
  public Batch wanted() {
    if (wantedRows == rows()) {
      return this;
    }
    if (rest == null) {
      rest = new Batch(caches.length);
    }
    rest.clear();
    for (int run = 0; run < runs; run++) {
      int others = firstRow[run + 1] - firstRow[run] - wanted[run];
      rest.add(caches[run], wanted[run], wanted[run], skipped[run] + others);
    }
    rest.writtenRuns = writtenRuns;
    return rest;
  }

  /** How many rows of a run, its last, are wanted. */
  public int wanted(int run) {
    return wanted[run];
  }

  /** Of all runs. */
  public int wantedRows() {
    return wantedRows;
  }

  public int runs() {
    return runs;
  }

  /** Rows of all runs. */
  public int rows() {
    return firstRow[runs];
  }

  /** How many rows, the first, are written; the others are read. */
  public int written() {
    return firstRow[writtenRuns];
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
    return caches[run].length() + skipped[run] + row - firstRow[run];
  }

  /** Counts every run's rows into its cache, after the last layer. */
  public void advance() {
    for (int run = 0; run < runs; run++) {
      caches[run].advance(firstRow[run + 1] - firstRow[run]);
    }
  }
}
