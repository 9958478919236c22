package io.lrt4j.compute;

import java.util.Arrays;

/**
 * What greedy decoding and confidence need to know of one row of logits; filled by {@link
 * Backend#summarize}.
 */
public final class LogitSummary {
  /** Index of the largest logit, the lowest one on ties. */
  public int argmax;

  /** The largest logit. */
  public float max;

  /** The second largest logit (equal to {@link #max} on ties). */
  public float second;

  /** log Σ exp(logit): subtract it from a logit to get a log-probability. */
  public float logSumExp;

  /** An empty summary. */
  public LogitSummary() {}

  /** As many empty ones. */
  public static LogitSummary[] array(int n) {
    LogitSummary[] all = new LogitSummary[n];
    Arrays.setAll(all, i -> new LogitSummary());
    return all;
  }

  /** Becomes another's like. */
  public void set(LogitSummary other) {
    argmax = other.argmax;
    max = other.max;
    second = other.second;
    logSumExp = other.logSumExp;
  }
}
