package io.lrt4j.compute;

import java.util.Arrays;

/**
 * Sequences of different lengths, one after another in the rows of one activation tensor, without
 * padding. A run is some consecutive rows of one sequence. What a row of it attends to is, in this
 * order: the run's prefix (rows of another tensor, whose keys and values are constants), all rows
 * of its parent run, and the run's own rows up to itself. So no run ever sees another but its
 * parent, and answers to one question can share what comes before them.
 */
public final class PackedBatch {
  private int runs;
  private int rows;
  private int[] firstRow = new int[8];
  private int[] prefixFrom = new int[8];
  private int[] prefixRows = new int[8];
  private int[] parent = new int[8];
  private int[] runOf = new int[64];

  /** Forgets all runs. */
  public PackedBatch clear() {
    runs = 0;
    rows = 0;
    return this;
  }

  /** Appends a run that begins a sequence, and returns its number. */
  public int add(int rows) {
    return add(rows, 0, 0, -1);
  }

  /** Appends a run that follows {@code prefixRows} constant rows, and returns its number. */
  public int add(int rows, int prefixFrom, int prefixRows) {
    return add(rows, prefixFrom, prefixRows, -1);
  }

  /**
   * Appends a run that follows another one, and that one's prefix.
   *
   * @param parent an earlier run that has no parent itself
   */
  public int addChild(int rows, int parent) {
    if (parent < 0 || parent >= runs || this.parent[parent] >= 0) {
      throw new IllegalArgumentException("expected an earlier run without a parent: " + parent);
    }
    return add(rows, prefixFrom[parent], prefixRows[parent], parent);
  }

  private int add(int count, int prefixFrom, int prefixRows, int parent) {
    if (count < 1 || prefixRows < 0 || prefixFrom < 0) {
      throw new IllegalArgumentException(
          "expected at least one row, found " + count + " after " + prefixRows);
    }
    if (runs + 2 > firstRow.length) {
      firstRow = Arrays.copyOf(firstRow, 2 * firstRow.length);
      this.prefixFrom = Arrays.copyOf(this.prefixFrom, firstRow.length);
      this.prefixRows = Arrays.copyOf(this.prefixRows, firstRow.length);
      this.parent = Arrays.copyOf(this.parent, firstRow.length);
    }
    if (rows + count > runOf.length) {
      runOf = Arrays.copyOf(runOf, Math.max(2 * runOf.length, rows + count));
    }
    Arrays.fill(runOf, rows, rows + count, runs);
    firstRow[runs] = rows;
    this.prefixFrom[runs] = prefixFrom;
    this.prefixRows[runs] = prefixRows;
    this.parent[runs] = parent;
    rows += count;
    firstRow[runs + 1] = rows;
    return runs++;
  }

  public int runs() {
    return runs;
  }

  /** Rows of all runs together. */
  public int rows() {
    return rows;
  }

  /** First row of a run; of run {@code runs()}, the number of rows. */
  public int firstRow(int run) {
    return firstRow[run];
  }

  /** Rows of one run. */
  public int length(int run) {
    return firstRow[run + 1] - firstRow[run];
  }

  /** Where a run's prefix begins in the tensor of prefixes. */
  public int prefixFrom(int run) {
    return prefixFrom[run];
  }

  /** Rows of a run's prefix; 0 without one. */
  public int prefixRows(int run) {
    return prefixRows[run];
  }

  /** The run that a run follows, or -1. */
  public int parent(int run) {
    return parent[run];
  }

  /** The run of a row. */
  public int runOf(int row) {
    return runOf[row];
  }

  /** How many positions come before a run: its prefix and its parent. */
  public int before(int run) {
    return prefixRows[run] + (parent[run] < 0 ? 0 : length(parent[run]));
  }

  /** Position of a row in its sequence, from 0. */
  public int position(int row) {
    int run = runOf[row];
    return before(run) + row - firstRow[run];
  }

  /** One more than the largest position. */
  public int positions() {
    int most = 0;
    for (int run = 0; run < runs; run++) {
      most = Math.max(most, before(run) + length(run));
    }
    return most;
  }
}
