package io.lrt4j.compute.cpu;

import io.lrt4j.compute.DType;
import java.lang.foreign.MemorySegment;

/**
 * Inner products of activation rows with weight rows of one element type: the arithmetic of every
 * projection and of attention's scores. The sum of one (row, weight) pair runs over the same
 * elements in the same order in every method, so that a row's result does not depend on how many
 * rows and weights are worked on together.
 */
abstract sealed class DotKernel permits F32Dot, HalfDot {
  static DotKernel of(DType dtype) {
    return switch (dtype) {
      case F32 -> F32Dot.INSTANCE;
      case F16 -> F16Dot.INSTANCE;
      case BF16 -> Bf16Dot.INSTANCE;
      case Q8, Q4 -> throw new IllegalArgumentException(dtype + " has a kernel of its own");
    };
  }

  /** How many elements go through vectors; the tail that is left of {@code n} is the caller's. */
  abstract int body(int n);

  /** Whether activations come with even and odd elements apart (see {@link HalfDot}). */
  abstract boolean splitInput();

  /** x · w over the body. */
  abstract float dot(float[] x, int xAt, MemorySegment w, long wAt, int body);
}
