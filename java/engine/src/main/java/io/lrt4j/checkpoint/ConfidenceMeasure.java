package io.lrt4j.checkpoint;

/** What {@code auto} compares with its threshold. */
public enum ConfidenceMeasure {
  /** Mean natural log-probability of the answer's tokens. */
  MEAN_LOGPROB,
  /** Smallest difference between the largest and second largest logit among the answer's tokens. */
  SMALLEST_MARGIN
}
