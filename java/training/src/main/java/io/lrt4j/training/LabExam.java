package io.lrt4j.training;

import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import io.lrt4j.evaluation.Statistics;
import io.lrt4j.evaluation.Trial;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.grade.Grader;
import io.lrt4j.evaluation.study.Hybrid;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import java.util.ArrayList;
import java.util.List;

/** Asks a model the lab's held-out problems, through the engine as any user would. */
public final class LabExam {
  /** Answers are greedy; thinking has room for the longest chain. */
  private static final int BUDGET = 384;

  private LabExam() {}

  /**
   * What is asked: held-out problems, of every number of steps as many.
   *
   * @param range of their numbers
   * @param least fewest steps
   * @param most most steps
   * @param seed another one, other problems
   * @param count problems of each number of steps
   */
  public record Paper(Lab.Range range, int least, int most, long seed, int count) {
    private Lab lab(int steps) {
      return new Lab(range, Lab.Mix.even(steps, steps), seed, Lab.Split.HELDOUT);
    }
  }

  /**
   * What one mode did on problems of one number of steps.
   *
   * @param mode how it answered
   * @param steps of the problems; 0 for all
   * @param problems how many
   * @param right how many answers were right
   * @param decodeSteps mean number of tokens generated, thinking included
   * @param millis mean time of an answer
   */
  public record Result(
      Mode mode, int steps, int problems, int right, double decodeSteps, double millis) {
    /** Part of the answers that were right. */
    public double accuracy() {
      return (double) right / problems;
    }

    /** Lower end of the 95 % interval of the accuracy (Wilson, 1927). */
    public double low() {
      return Statistics.proportion(accuracy(), problems).low();
    }

    /** Upper end. */
    public double high() {
      return Statistics.proportion(accuracy(), problems).high();
    }
  }

  /** One mode on held-out problems, by steps, and all together last. */
  public static List<Result> run(Engine engine, Mode mode, Paper paper) {
    var evaluation = evaluation(paper);
    Cell cell = Cell.of(mode, BUDGET);
    evaluation.warmUp(engine, cell);
    List<Answered> answered = evaluation.run(engine, cell);
    List<Result> results = new ArrayList<>();
    for (int steps = paper.least; steps <= paper.most; steps++) {
      String group = Integer.toString(steps);
      results.add(
          result(mode, steps, answered.stream().filter(a -> a.group().equals(group)).toList()));
    }
    results.add(result(mode, 0, answered));
    return results;
  }

  private static Evaluation evaluation(Paper paper) {
    List<Task> tasks = new ArrayList<>();
    for (int steps = paper.least; steps <= paper.most; steps++) {
      Lab lab = paper.lab(steps);
      for (int i = 0; i < paper.count; i++) {
        Problem problem = lab.problem(i);
        tasks.add(
            new Task(
                steps + "-" + i,
                problem.question(),
                problem.truth(),
                Grader.NUMBER,
                Integer.toString(steps)));
      }
    }
    GenerationOptions greedy = GenerationOptions.defaults().withTemperature(0);
    return new Evaluation(new DataSet("lab", tasks), 1, greedy, 1);
  }

  private static Result result(Mode mode, int steps, List<Answered> answered) {
    List<Trial> trials = answered.stream().map(a -> a.trials().getFirst()).toList();
    return new Result(
        mode,
        steps,
        trials.size(),
        (int) trials.stream().filter(Trial::right).count(),
        trials.stream().mapToInt(Trial::generated).average().orElse(Double.NaN),
        trials.stream().mapToDouble(Trial::totalMs).average().orElse(Double.NaN));
  }

  /**
   * Finds the measure and the threshold with which {@code auto} is cheapest and yet at most {@code
   * tolerance} below {@code explicit}.
   *
   * @param paper other problems than it is examined with
   */
  public static Hybrid.Calibration calibrate(Engine engine, Paper paper, double tolerance) {
    var evaluation = evaluation(paper);
    return new Hybrid(
            evaluation.run(engine, Cell.of(Mode.LATENT, BUDGET)),
            evaluation.run(engine, Cell.of(Mode.EXPLICIT, BUDGET)))
        .calibrate(tolerance);
  }
}
