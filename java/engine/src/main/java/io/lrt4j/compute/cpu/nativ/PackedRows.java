package io.lrt4j.compute.cpu.nativ;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.MemorySegment;

/**
 * Rows of a packed weight of a plain type (lrt4j.h says how they lie): what tied embeddings are
 * read from, so that they are not in memory twice.
 */
record PackedRows(DType dtype, int rows, int cols, MemorySegment data) implements Tensor {
  /** to[toRow, :] = this[row, :], converted to f32. */
  void read(int row, CpuTensor to, int toRow) {
    int together = dtype == DType.BF16 ? 2 : 1; // elements of a row that lie side by side
    long width = Math.ceilDiv(cols, together) * (long) together;
    int lane = row % Weight.PANEL;
    long first = (row - lane) * width + (long) lane * together;
    long out = to.row(toRow);
    for (int k = 0; k < cols; k++) {
      long at = first + (long) (k / together) * together * Weight.PANEL + k % together;
      to.data().set(CpuTensor.FLOAT, out + k * 4L, dtype.load(data, at));
    }
  }
}
