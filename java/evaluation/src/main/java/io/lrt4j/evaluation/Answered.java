package io.lrt4j.evaluation;

import java.io.Serializable;
import java.util.List;

/**
 * A question with all its answers of one cell.
 *
 * @param cell key of the cell
 * @param id of the question
 * @param group that it is counted with, or ""
 * @param truth the right answer
 * @param trials at least one
 */
public record Answered(String cell, String id, String group, String truth, List<Trial> trials)
    implements Serializable {
  public Answered {
    trials = List.copyOf(trials);
  }

  /** How many of its answers are right. */
  public int right() {
    return (int) trials.stream().filter(Trial::right).count();
  }

  /** Part of its answers that are right. */
  public double accuracy() {
    return (double) right() / trials.size();
  }
}
