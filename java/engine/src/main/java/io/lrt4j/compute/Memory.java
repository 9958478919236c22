package io.lrt4j.compute;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Weights, activations and caches that live and die together, in the memory of one backend. */
public interface Memory extends AutoCloseable {
  /** A new f32 tensor of zeros, [rows, cols]. */
  Tensor allocate(int rows, int cols);

  /**
   * A new tensor of zeros, [rows, cols], of a type that the backend {@link Backend#caches}: room
   * for keys and values.
   */
  default Tensor allocate(DType type, int rows, int cols) {
    if (type != DType.F32) {
      throw new IllegalArgumentException("no room for keys and values in " + type);
    }
    return allocate(rows, cols);
  }

  /**
   * Takes a weight in that is not a projection's: an embedding, a norm. What can be used where it
   * lies is not copied; a vector becomes f32.
   */
  Tensor weight(Weight stored);

  /**
   * Takes a projection in and keeps it in the form that the backend's kernels like. What can be
   * used where it lies is not copied.
   *
   * @param parts at least one, all of the same input width; they may differ in type
   */
  Linear linear(List<Part> parts);

  /**
   * One linear layer of a projection.
   *
   * @param weight [out, in]
   * @param bias [1, out], or null
   */
  record Part(Weight weight, @Nullable Weight bias) {}

  /** What it keeps a projection's weight as: another type than it is stored in, if it rounds it. */
  default DType kept(Weight weight) {
    return weight.dtype();
  }

  /**
   * The rows of a projection's only weight as it is {@link #kept}, to be embedded from: a head that
   * is the embedding too is then held once. Null where they are not rounded and lie where they were
   * stored anyway.
   */
  default @Nullable Tensor table(Linear head) {
    return null;
  }

  /** Whether this backend has kernels for projections of such a weight: any can those in rows. */
  default boolean runs(Weight weight) {
    return !weight.panels();
  }

  /**
   * Whether a projection made of this weight does without it from then on, having a form of its
   * own: packed, rounded, uploaded.
   */
  default boolean copies(Weight weight) {
    return false;
  }

  /** Bytes allocated so far. */
  long bytes();

  /**
   * Frees everything that was made here; using it afterwards is an {@link IllegalStateException}.
   */
  @Override
  void close();
}
