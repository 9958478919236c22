package io.lrt4j.evaluation.grade;

import java.util.List;

/** What an answer means. */
sealed interface Value {
  /**
   * A number or a formula.
   *
   * @param percent whether a percent sign followed it
   */
  record Scalar(Expr expr, boolean percent) implements Value {}

  /** A tuple, a point, an interval: the order and the brackets count. */
  record Ordered(char open, List<Value> items, char close) implements Value {}

  /** A set: the order does not count. */
  record Unordered(List<Value> items) implements Value {}

  /** A union of intervals and sets. */
  record Union(List<Value> parts) implements Value {}

  /** Rows of a matrix. */
  record Matrix(List<List<Value>> rows) implements Value {}

  /**
   * A chain of equations or inequalities, {@code 0 < x <= 1}.
   *
   * @param terms one more than relations
   * @param relations {@code = < > ≤ ≥ ≠}
   */
  record Chain(List<Expr> terms, String relations) implements Value {}
}
