package io.lrt4j.compute;

/**
 * A matrix in the memory of one {@link Backend}, row-major; a vector is a matrix of one row. Only
 * that backend looks inside.
 */
public interface Tensor {
  DType dtype();

  int rows();

  int cols();
}
