package io.lrt4j.compute;

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
}
