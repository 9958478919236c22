package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;

/**
 * A weight as it is stored, for a backend to take in ({@link Memory#weight}, {@link
 * Memory#linear}): a row-major little-endian matrix [rows, cols]; a vector is a matrix of one row.
 * No alignment is promised, not even to the element.
 *
 * @param data its bytes; they must stay valid, and as they are, as long as what was made of them
 */
public record Weight(DType dtype, int rows, int cols, MemorySegment data) {
  public Weight {
    long needed = Math.multiplyExact(dtype.bytes(cols), (long) rows);
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
}
