package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Rounded weights as the C kernels read them, and as they are stored in files of our own: panels of
 * {@link Weight#PANEL} rows, the last one filled up with zeros. In a panel lie, block after block,
 * groups of four bytes of all its rows side by side, q8 ones with 128 added so that they are
 * unsigned; then the blocks' scales, again of all rows side by side.
 */
public final class Panels {
  private static final int ROWS = Weight.PANEL;
  private static final int SCALE = 2; // bytes
  private static final int GROUP = 4;

  private Panels() {}

  /** Writes rounded rows as panels. */
  public static Weight pack(Weight rows, MemorySegment to) {
    return move(rows, to, true);
  }

  /** Writes panels as rounded rows. */
  public static Weight unpack(Weight panels, MemorySegment to) {
    return move(panels, to, false);
  }

  private static Weight move(Weight from, MemorySegment to, boolean pack) {
    DType type = from.dtype();
    int numbers = type.blockBytes() - SCALE;
    int blocks = from.cols() / type.blockElements();
    long rowBytes = type.bytes(from.cols());
    int flip = type == DType.Q8 ? 0x80 : 0;
    MemorySegment rows = pack ? from.data() : to;
    MemorySegment panels = pack ? to : from.data();
    for (int row = 0; row < from.rows(); row++) {
      long panel = row / ROWS * (ROWS * rowBytes);
      int lane = row % ROWS;
      for (int block = 0; block < blocks; block++) {
        long inRow = row * rowBytes + (long) block * type.blockBytes();
        long scale = panel + (long) blocks * numbers * ROWS + ((long) block * ROWS + lane) * SCALE;
        copy(rows, inRow, panels, scale, SCALE, 0, pack);
        for (int k = 0; k < numbers; k += GROUP) {
          long group = panel + ((long) block * numbers + k) * ROWS + (long) lane * GROUP;
          copy(rows, inRow + SCALE + k, panels, group, GROUP, flip, pack);
        }
      }
    }
    return new Weight(type, from.rows(), from.cols(), to, pack);
  }

  private static void copy(
      MemorySegment rows,
      long row,
      MemorySegment panels,
      long panel,
      int n,
      int flip,
      boolean pack) {
    for (int i = 0; i < n; i++) {
      if (pack) {
        byte b = rows.get(ValueLayout.JAVA_BYTE, row + i);
        panels.set(ValueLayout.JAVA_BYTE, panel + i, (byte) (b ^ flip));
      } else {
        byte b = panels.get(ValueLayout.JAVA_BYTE, panel + i);
        rows.set(ValueLayout.JAVA_BYTE, row + i, (byte) (b ^ flip));
      }
    }
  }
}
