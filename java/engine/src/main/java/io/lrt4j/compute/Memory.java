package io.lrt4j.compute;

/** Activations and caches that live and die together, in the memory of one backend. */
public interface Memory extends AutoCloseable {
  /** A new f32 tensor of zeros, [rows, cols]. */
  Tensor allocate(int rows, int cols);

  /** Bytes allocated so far. */
  long bytes();

  /**
   * Frees every tensor allocated here; using one afterwards is an {@link IllegalStateException}.
   */
  @Override
  void close();
}
