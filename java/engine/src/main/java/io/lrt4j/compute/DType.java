package io.lrt4j.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * How numbers are stored: in blocks of a fixed number of elements, each of a fixed number of bytes.
 * A block of a plain type is one element; a quantised one shares a scale. Rows consist of whole
 * blocks.
 */
public enum DType {
  F32(1, 4),
  F16(1, 2),
  BF16(1, 2),

  /** 32 elements: an f16 scale, then signed bytes; an element is scale times byte. */
  Q8(32, 34),

  /**
   * 32 elements: an f16 scale, then 16 bytes; byte i holds element i in its low four bits, element
   * i + 16 in its high ones, each 8 more than it is; an element is scale times that.
   */
  Q4(32, 18);

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final int blockElements;
  private final int blockBytes;

  DType(int blockElements, int blockBytes) {
    this.blockElements = blockElements;
    this.blockBytes = blockBytes;
  }

  /** Elements that are stored together; 1 for plain types. */
  public int blockElements() {
    return blockElements;
  }

  /** Size of one block in bytes; of one element for plain types. */
  public int blockBytes() {
    return blockBytes;
  }

  /**
   * Size of {@code elements} elements in bytes.
   *
   * @throws ArithmeticException if they are no whole number of blocks, or more than memory can hold
   */
  public long bytes(long elements) {
    if (elements % blockElements != 0) {
      throw new ArithmeticException(
          elements + " elements of " + this + " are not whole blocks of " + blockElements);
    }
    return Math.multiplyExact(elements / blockElements, (long) blockBytes);
  }

  /** Element {@code i} of little-endian data of a plain type, converted to f32. */
  public float load(MemorySegment data, long i) {
    return switch (this) {
      case F32 -> data.get(FLOAT, i * Float.BYTES);
      case F16 -> Float.float16ToFloat(data.get(SHORT, i * Short.BYTES));
      case BF16 -> Float.intBitsToFloat(data.get(SHORT, i * Short.BYTES) << Short.SIZE);
      case Q8, Q4 -> throw new IllegalArgumentException(this + " has no single elements");
    };
  }
}
