package io.lrt4j.compute.cpu;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A row-major little-endian matrix in addressable memory, of any alignment.
 *
 * @param panels whether it lies in panels instead, see {@link Weight#panels}: a rounded one that is
 *     multiplied by or embedded from
 */
public record CpuTensor(DType dtype, int rows, int cols, MemorySegment data, boolean panels)
    implements Tensor {
  public static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  public CpuTensor {
    long needed = Weight.bytes(dtype, rows, cols, panels);
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

  /** A matrix in rows. */
  public CpuTensor(DType dtype, int rows, int cols, MemorySegment data) {
    this(dtype, rows, cols, data, false);
  }

  /** The tensor of a CPU backend that {@code tensor} is. */
  public static CpuTensor of(Tensor tensor) {
    return (CpuTensor) tensor;
  }

  /** Bytes from one row to the next. */
  long stride() {
    return dtype.bytes(cols);
  }

  /** Byte offset of a row. */
  public long row(int row) {
    return row * stride();
  }

  /** One element of a plain type, converted to f32. */
  float get(int row, int col) {
    return load(dtype, data, ((long) row * cols + col) * dtype.blockBytes());
  }

  /** The first elements of a row, of a plain type or q8, converted to f32. */
  void read(int row, float[] to, int count) {
    long at = row(row);
    switch (dtype) {
      case F32 -> MemorySegment.copy(data, FLOAT, at, to, 0, count);
      case F16 -> {
        short[] halves = halves(at, count);
        for (int i = 0; i < count; i++) {
          to[i] = Float.float16ToFloat(halves[i]);
        }
      }
      case BF16 -> {
        short[] halves = halves(at, count);
        for (int i = 0; i < count; i++) {
          to[i] = Float.intBitsToFloat(halves[i] << 16);
        }
      }
      case Q8 -> {
        int block = dtype.blockElements();
        for (int i = 0; i < count; i++) {
          long b = at + (long) (i / block) * dtype.blockBytes();
          float scale = load(DType.F16, data, b);
          to[i] = scale * data.get(ValueLayout.JAVA_BYTE, b + Short.BYTES + i % block);
        }
      }
      case Q4 -> throw new IllegalArgumentException(dtype + " has no single elements");
    }
  }

  private short[] halves(long at, int count) {
    short[] halves = new short[count];
    MemorySegment.copy(data, SHORT, at, halves, 0, count);
    return halves;
  }

  /**
   * Sets elements from the first of a row on, of an f32, f16 or q8 tensor (whole blocks), rounded
   * to the nearest; what f16 is too small for becomes its largest number, as one infinite key would
   * make a whole row of attention NaN.
   */
  void write(int row, float[] from, int offset, int count) {
    long at = row(row);
    if (dtype == DType.Q8) {
      Rounding.writeQ8(from, offset, count, data, at);
      return;
    }
    if (dtype == DType.F16) {
      for (int i = 0; i < count; i++) {
        short half = Float.floatToFloat16(from[offset + i]);
        boolean infinite = (half & 0x7FFF) == 0x7C00;
        data.set(SHORT, at + 2L * i, infinite ? (short) (half - 1) : half);
      }
      return;
    }
    MemorySegment.copy(from, offset, data, FLOAT, at, count);
  }

  /** Sets one element of an f32 tensor. */
  void set(int row, int col, float value) {
    data.set(FLOAT, ((long) row * cols + col) * Float.BYTES, value);
  }

  /** The element of type {@code dtype} at a byte offset, converted to f32. */
  static float load(DType dtype, MemorySegment data, long offset) {
    return switch (dtype) {
      case F32 -> data.get(FLOAT, offset);
      case F16 -> Float.float16ToFloat(data.get(SHORT, offset));
      case BF16 -> Float.intBitsToFloat(data.get(SHORT, offset) << 16);
      case Q8, Q4 -> throw new IllegalArgumentException(dtype + " has no single elements");
    };
  }
}
