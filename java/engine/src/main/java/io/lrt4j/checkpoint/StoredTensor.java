package io.lrt4j.checkpoint;

import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;

/**
 * A tensor as it lies in a file, row-major, little-endian.
 *
 * @param name its name in the checkpoint
 * @param storedType its element type as the format spells it, {@code BF16} say
 * @param shape its dimensions; empty for a scalar, with a 0 for an empty tensor
 * @param data its bytes in memory, read or mapped, read-only; valid until the file is closed. The
 *     format promises no alignment, not even to the element size: read it with unaligned layouts
 * @param file the file it is in
 */
public record StoredTensor(
    String name, String storedType, List<Long> shape, MemorySegment data, Path file) {

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  public StoredTensor {
    shape = List.copyOf(shape);
  }

  /**
   * The element type to compute with.
   *
   * @throws UnsupportedModelException if the stored type is none of {@link DType}
   */
  public DType dtype() {
    return dtype(name, storedType, file);
  }

  static DType dtype(String name, String storedType, Path file) {
    StoredType type = StoredType.named(storedType);
    DType dtype = type == null ? null : type.dType();
    if (dtype == null) {
      throw new UnsupportedModelException(
          file
              + ": tensor "
              + Json.quote(name)
              + " is of type "
              + storedType
              + "; lrt4j runs F32, F16 and BF16");
    }
    return dtype;
  }

  /** The same under another name. */
  StoredTensor named(String other) {
    return new StoredTensor(other, storedType, shape, data, file);
  }

  /**
   * This tensor for a backend to take in: a vector as one row, a matrix as it is.
   *
   * @throws UnsupportedModelException if it has more dimensions or a type that is not run
   */
  public Weight weight() {
    if (shape.isEmpty() || shape.size() > 2) {
      throw new UnsupportedModelException(
          file
              + ": tensor "
              + Json.quote(name)
              + " has shape "
              + shape
              + ", expected 1 or 2 dimensions");
    }
    int rows = shape.size() == 1 ? 1 : Math.toIntExact(shape.getFirst());
    return new Weight(dtype(), rows, Math.toIntExact(shape.getLast()), data);
  }

  /** Number of elements. */
  public long elements() {
    long n = 1;
    for (long dimension : shape) {
      n *= dimension;
    }
    return n;
  }

  /** The element at a row-major index, widened to f32. */
  public float element(long index) {
    long at = dtype().bytes(index);
    return switch (dtype()) {
      case F32 -> Float.intBitsToFloat(data.get(INT, at));
      case F16 -> Float.float16ToFloat(data.get(SHORT, at));
      case BF16 -> Float.intBitsToFloat(data.get(SHORT, at) << Short.SIZE);
      case Q8, Q4 ->
          throw new IllegalStateException("rounded weights are not stored in checkpoints");
    };
  }
}
