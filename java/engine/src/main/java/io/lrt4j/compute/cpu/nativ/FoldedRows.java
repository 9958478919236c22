package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Rows of a bf16 weight in 12 bits (folded.h says how they lie): what tied embeddings are read
 * from, so that they are not in memory twice.
 */
record FoldedRows(int rows, int cols, MemorySegment data) implements Tensor {
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Outputs that lie together. */
  static final int GROUP = 64;

  /** Bytes that a weight takes in the list of those that its group's table does not have. */
  static final int LISTED_BYTES = 8;

  private static final int LINE = 64; // bytes
  private static final int TABLE = 8; // bytes from a group's beginning
  private static final int STEP = 3 * LINE; // two elements of a group: codes, lower bytes

  @Override
  public DType dtype() {
    return DType.BF16;
  }

  /** to[toRow, :] = this[row, :], converted to f32. */
  void read(int row, CpuTensor to, int toRow) {
    int steps = Math.ceilDiv(cols, 2);
    long group = (long) (row / GROUP) * (LINE + (long) steps * STEP);
    int output = row % GROUP;
    int half = output / (GROUP / 2);
    int panel = output / 16 % 2;
    long out = to.row(toRow);
    for (int k = 0; k < cols; k++) {
      int number = 2 * (output % 16) + k % 2; // of a panel's step
      int at = number / 8 * 16 + 8 * panel + number % 8;
      long step = group + LINE + (long) (k / 2) * STEP;
      int code = data.get(JAVA_BYTE, step + at) >> (4 * half) & 15;
      int upper = data.get(JAVA_BYTE, group + TABLE + code) & 0xFF;
      int lower = data.get(JAVA_BYTE, step + (1L + half) * LINE + at) & 0xFF;
      put(to, out, k, upper << 8 | lower);
    }
    long other = group + data.get(LONG, group);
    for (int step = at(other, 0); step < steps; step = at(other, 0)) {
      int place = at(other, 1);
      if (place / 2 == output && 2 * step + place % 2 < cols) {
        put(to, out, 2 * step + place % 2, at(other, 2));
      }
      other += LISTED_BYTES;
    }
  }

  /** A number of a listed weight: its step, its place there, its bits. */
  private int at(long other, int number) {
    return data.get(SHORT, other + 2L * number) & 0xFFFF;
  }

  private static void put(CpuTensor to, long at, int k, int bits) {
    to.data().set(CpuTensor.FLOAT, at + 4L * k, Float.intBitsToFloat(bits << 16));
  }
}
