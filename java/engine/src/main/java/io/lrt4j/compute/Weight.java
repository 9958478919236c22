package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;

/**
 * A weight as it is stored, for a backend to take in ({@link Memory#weight}, {@link
 * Memory#linear}): a row-major little-endian matrix [rows, cols]; a vector is a matrix of one row.
 * No alignment is promised, not even to the element.
 *
 * @param data its bytes; they must stay valid, and as they are, as long as what was made of them
 * @param panels whether it lies in panels of {@link #PANEL} rows, the last one filled up: {@code
 *     io.lrt4j.compute.Panels}
 */
public record Weight(DType dtype, int rows, int cols, MemorySegment data, boolean panels) {
  /** Rows of a panel. */
  public static final int PANEL = 32;

  public Weight {
    long needed = bytes(dtype, rows, cols, panels);
    if (data.byteSize() != needed) {
      throw new IllegalArgumentException(
          "["
              + rows
              + ", "
              + cols
              + "] "
              + dtype
              + " takes "
              + needed
              + " bytes, found "
              + data.byteSize());
    }
  }

  /** A weight in rows. */
  public Weight(DType dtype, int rows, int cols, MemorySegment data) {
    this(dtype, rows, cols, data, false);
  }

  /** Size in bytes of a weight of such a shape. */
  public static long bytes(DType dtype, int rows, int cols, boolean panels) {
    long stored = panels ? (long) Math.ceilDiv(rows, PANEL) * PANEL : rows;
    return Math.multiplyExact(dtype.bytes(cols), stored);
  }
}
