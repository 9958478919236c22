package io.lrt4j.checkpoint;

/** How a reasoning network brings the question and its queries together. */
public enum Fusion {
  /**
   * The queries follow the projected hidden states; the network attends to the whole question: U =
   * [H W_in^T + b_in ; queries], [n + t, g].
   */
  APPEND,
  /**
   * The projected last hidden state times each query, element by element: U = (H[n-1] W_in^T +
   * b_in) * queries, [t, g]. Equation 5 of the paper as printed.
   */
  HADAMARD
}
