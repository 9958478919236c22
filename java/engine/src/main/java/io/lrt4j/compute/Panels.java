package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * Rounded weights as the kernels of {@code native} and {@code vector} read them, and as they are
 * stored in files of our own: panels of {@link Weight#PANEL} rows, the last one filled up with
 * zeros. In a panel lie, block after block, groups of four bytes of all its rows side by side, q8
 * ones with 128 added so that they are unsigned, then the block's scales, again of all rows side by
 * side. So a product of one row reads a weight from its beginning to its end, which memory is
 * fastest at.
 */
public final class Panels {
  private static final int ROWS = Weight.PANEL;
  private static final int SCALE = 2; // bytes
  private static final int GROUP = 4;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

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
    int flip = type == DType.Q8 ? 0x80808080 : 0;
    MemorySegment rows = pack ? from.data() : to;
    MemorySegment panels = pack ? to : from.data();
    IntStream.range(0, (from.rows() + ROWS - 1) / ROWS)
        .parallel()
        .forEach(
            panel -> {
              int last = Math.min((panel + 1) * ROWS, from.rows());
              for (int row = panel * ROWS; row < last; row++) {
                move(type, from.cols() / type.blockElements(), row, rows, panels, flip, pack);
              }
            });
    return new Weight(type, from.rows(), from.cols(), to, pack);
  }

  private static void move(
      DType type,
      int blocks,
      int row,
      MemorySegment rows,
      MemorySegment panels,
      int flip,
      boolean pack) {
    int numbers = type.blockBytes() - SCALE;
    long inRow = (long) row * blocks * type.blockBytes();
    long group =
        (long) (row / ROWS) * ROWS * blocks * type.blockBytes() + (long) (row % ROWS) * GROUP;
    for (int block = 0; block < blocks; block++) {
      long scale = group + (long) ROWS * numbers - (long) (row % ROWS) * (GROUP - SCALE);
      if (pack) {
        panels.set(Rounding.SHORT, scale, rows.get(Rounding.SHORT, inRow));
      } else {
        rows.set(Rounding.SHORT, inRow, panels.get(Rounding.SHORT, scale));
      }
      inRow += SCALE;
      for (int k = 0; k < numbers; k += GROUP) {
        if (pack) {
          panels.set(INT, group, rows.get(INT, inRow) ^ flip);
        } else {
          rows.set(INT, inRow, panels.get(INT, group) ^ flip);
        }
        inRow += GROUP;
        group += (long) ROWS * GROUP;
      }
      group += (long) ROWS * SCALE;
    }
  }
}
