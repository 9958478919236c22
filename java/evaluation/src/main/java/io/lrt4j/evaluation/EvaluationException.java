package io.lrt4j.evaluation;

import io.lrt4j.LrtException;

/** A data set, a results file or a setting that cannot be evaluated as given. */
public class EvaluationException extends LrtException {
  private static final long serialVersionUID = 1L;

  public EvaluationException(String message) {
    super(message);
  }

  public EvaluationException(String message, Throwable cause) {
    super(message, cause);
  }
}
