package io.lrt4j.compute.cpu;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A row-major little-endian matrix in addressable memory, of any alignment. */
public record CpuTensor(DType dtype, int rows, int cols, MemorySegment data) implements Tensor {
  public static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  public CpuTensor {
    long needed = dtype.bytes((long) rows * cols);
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

  /** One element, converted to f32. */
  float get(int row, int col) {
    return load(dtype, data, row(row) + dtype.bytes(col));
  }

  /** Sets one element of an f32 tensor. */
  void set(int row, int col, float value) {
    data.set(FLOAT, row(row) + col * 4L, value);
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
