package io.lrt4j.cuda;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A batch as kernels see it: a {@code Row} for every row, and a table of the addresses of all
 * blocks. It is the same for all layers of a step, and sent once. Its user holds the turn.
 */
final class Sequences {
  private static final int ROW = 4; // ints

  private final Device device;
  private int[] rows = new int[64];
  private long[] table = new long[64];
  private int rowCount;
  private int tableCount;
  private int[] sentRows = new int[0];
  private long[] sentTable = new long[0];
  private int lap = -1;
  private long rowsAddress;
  private long tableAddress;

  Sequences(Device device) {
    this.device = device;
  }

  /** Sees to it that the batch is on the device. */
  void describe(Batch batch) {
    collect(batch);
    boolean same =
        lap == device.ring().lap()
            && Arrays.equals(rows, 0, rowCount, sentRows, 0, sentRows.length)
            && Arrays.equals(table, 0, tableCount, sentTable, 0, sentTable.length);
    if (!same) {
      send();
    }
  }

  private void collect(Batch batch) {
    rowCount = batch.rows() * ROW;
    rows = rowCount > rows.length ? new int[2 * rowCount] : rows;
    tableCount = 0;
    for (int run = 0; run < batch.runs(); run++) {
      KvCache cache = batch.cache(run);
      int first = batch.firstRow(run);
      int count = batch.firstRow(run + 1) - first;
      for (int row = first; row < first + count; row++) {
        rows[row * ROW] = batch.position(run, row);
        rows[row * ROW + 1] = tableCount;
        rows[row * ROW + 2] = first;
        rows[row * ROW + 3] = count;
      }
      int blocks = Math.ceilDiv(cache.length() + count, cache.blockLength());
      if (tableCount + blocks > table.length) {
        table = Arrays.copyOf(table, 2 * (tableCount + blocks));
      }
      for (int i = 0; i < blocks; i++) {
        table[tableCount++] = CudaTensor.of(cache.block(i)).row(0);
      }
    }
  }

  private void send() {
    int tableBytes = tableCount * 8;
    int bytes = tableBytes + rowCount * 4;
    MemorySegment next = device.ring().next(bytes);
    MemorySegment.copy(table, 0, next, ValueLayout.JAVA_LONG, 0, tableCount);
    MemorySegment.copy(rows, 0, next, ValueLayout.JAVA_INT, tableBytes, rowCount);
    tableAddress = device.ring().send(bytes);
    rowsAddress = tableAddress + tableBytes;
    lap = device.ring().lap();
    sentRows = Arrays.copyOf(rows, rowCount);
    sentTable = Arrays.copyOf(table, tableCount);
  }

  long rows() {
    return rowsAddress;
  }

  long table() {
    return tableAddress;
  }
}
