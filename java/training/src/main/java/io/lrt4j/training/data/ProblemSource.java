package io.lrt4j.training.data;

import io.lrt4j.decode.CounterRandom;
import java.util.List;

/** An endless row of problems: what stands at an index is always the same. */
@FunctionalInterface
public interface ProblemSource {
  /** The problem at an index, from 0. */
  Problem get(long index);

  /**
   * All there are, to be checked before a run begins; none where they are made when they are asked
   * for.
   */
  default List<Problem> problems() {
    return List.of();
  }

  /**
   * Every problem of a list once, in an order of its own in every epoch.
   *
   * @param problems at least one
   */
  static ProblemSource shuffled(List<Problem> problems, long seed) {
    if (problems.isEmpty()) {
      throw new IllegalArgumentException("expected at least one problem");
    }
    return new Shuffled(List.copyOf(problems), new CounterRandom(seed));
  }

  /** Shuffled anew in every epoch; the order of one epoch is kept, as indices mostly ascend. */
  final class Shuffled implements ProblemSource {
    private final List<Problem> problems;
    private final CounterRandom random;
    private long epoch = -1;
    private final int[] order;

    private Shuffled(List<Problem> problems, CounterRandom random) {
      this.problems = problems;
      this.random = random;
      order = new int[problems.size()];
    }

    @Override
    public List<Problem> problems() {
      return problems;
    }

    @Override
    public synchronized Problem get(long index) {
      long wanted = index / order.length;
      if (wanted != epoch) {
        shuffle(wanted);
        epoch = wanted;
      }
      return problems.get(order[(int) (index % order.length)]);
    }

    /** Fisher and Yates, inside out. */
    private void shuffle(long epoch) {
      for (int i = 0; i < order.length; i++) {
        int at = (int) (random.uniform(epoch, i) * (i + 1));
        order[i] = order[at];
        order[at] = i;
      }
    }
  }
}
