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

  private int[] rows = new int[64];
  private long[] table = new long[64];
  private int rowCount;
  private int tableCount;
  private int[] sentRows = new int[0];
  private long[] sentTable = new long[0];
  private int sentRowCount;
  private int sentTableCount;
  private MemorySegment content = MemorySegment.ofArray(new long[0]);
  private final Slots.Slot slot;
  private long tableAt;

  Sequences(Device device) {
    slot = device.slots().slot();
  }

  /** Sees to it that the batch is on the device. */
  void describe(Batch batch) {
    collect(batch);
    boolean same =
        Arrays.equals(rows, 0, rowCount, sentRows, 0, sentRowCount)
            && Arrays.equals(table, 0, tableCount, sentTable, 0, sentTableCount);
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
      int blocks = Math.ceilDiv(batch.position(run, first + count), cache.blockLength());
      if (tableCount + blocks > table.length) {
        table = Arrays.copyOf(table, 2 * (tableCount + blocks));
      }
      for (int i = 0; i < blocks; i++) {
        table[tableCount++] = CudaTensor.of(cache.block(i)).row(0);
      }
    }
  }

  /** Rows first: their number seldom changes, so that the table stays where it is. */
  private void send() {
    tableAt = rowCount * 4L;
    long bytes = tableAt + tableCount * 8L;
    if (bytes > content.byteSize()) {
      content = MemorySegment.ofArray(new long[Math.toIntExact(bytes / 4)]); // twice as much
    }
    MemorySegment.copy(rows, 0, content, ValueLayout.JAVA_INT, 0, rowCount);
    MemorySegment.copy(table, 0, content, ValueLayout.JAVA_LONG, tableAt, tableCount);
    sentRowCount = 0; // until it is there
    slot.send(content, bytes);
    if (rowCount > sentRows.length) {
      sentRows = new int[rows.length];
    }
    if (tableCount > sentTable.length) {
      sentTable = new long[table.length];
    }
    System.arraycopy(rows, 0, sentRows, 0, rowCount);
    System.arraycopy(table, 0, sentTable, 0, tableCount);
    sentRowCount = rowCount;
    sentTableCount = tableCount;
  }

  long rows() {
    return row(0);
  }

  long row(int row) {
    return slot.address() + 4L * ROW * row;
  }

  long table() {
    return slot.address() + tableAt;
  }
}
