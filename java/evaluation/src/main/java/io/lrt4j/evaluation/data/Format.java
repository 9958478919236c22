package io.lrt4j.evaluation.data;

/** How a file says what is asked and what is right. */
public enum Format {
  /** By the fields of the first line. */
  AUTO,
  /** {@code question}, {@code answer}: a solution that ends in {@code #### 42}. */
  GSM8K,
  /** {@code problem}, {@code answer}, as MATH-500 and AMC23 have them. */
  MATH,
  /** {@code passage}, {@code question}, {@code options}, {@code label}: AGIEval, as LSAT. */
  AGIEVAL,
  /** {@code Question}, {@code Correct Answer}, {@code Incorrect Answer 1} to {@code 3}. */
  GPQA,
  /** {@code question}, {@code answer}, asked as they are: the lab's. */
  PLAIN
}
