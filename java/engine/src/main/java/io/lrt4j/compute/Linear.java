package io.lrt4j.compute;

/**
 * One or more linear layers over the same input, their outputs side by side: y = [x W0^T + b0 ; x
 * W1^T + b1 ; …]. Query, key and value (or gate and up) are one. How the weights lie is the
 * business of the backend that took them in: in place, repacked, quantised or uploaded; only it
 * looks inside. Freed with the {@link Memory} that made it.
 */
public interface Linear {
  /** Width of the input. */
  int in();

  /** Width of the output, all parts together. */
  int out();

  /** Bytes of the weights as they lie, without biases: what a product of one row reads. */
  long bytes();
}
