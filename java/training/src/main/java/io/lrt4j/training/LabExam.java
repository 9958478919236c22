package io.lrt4j.training;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.checkpoint.CheckpointWriter;
import io.lrt4j.checkpoint.ConfidenceMeasure;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.evaluation.Statistics;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.Rewards;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** Asks a model the lab's held-out problems, through the engine as any user would. */
public final class LabExam {
  /** Answers are greedy; thinking has room for the longest chain. */
  private static final int BUDGET = 384;

  /** How far below explicit accuracy {@code auto} may be on the problems it is calibrated with. */
  private static final double MARGIN = 0.012;

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
    int count = paper.count;
    for (int i = 0; i < 20; i++) { // the compiler warms up; not counted
      ask(engine, paper.lab(paper.most).problem(count + i), mode);
    }
    List<Result> results = new ArrayList<>();
    for (int steps = paper.least; steps <= paper.most; steps++) {
      Lab lab = paper.lab(steps);
      int right = 0;
      long tokens = 0;
      long start = System.nanoTime();
      for (int i = 0; i < count; i++) {
        Problem problem = lab.problem(i);
        Answer answer = ask(engine, problem, mode);
        right += isRight(answer, problem) ? 1 : 0;
        tokens += answer.ids().size();
      }
      double millis = (System.nanoTime() - start) / 1e6 / count;
      results.add(new Result(mode, steps, count, right, (double) tokens / count, millis));
    }
    results.add(
        new Result(
            mode,
            0,
            results.size() * count,
            results.stream().mapToInt(Result::right).sum(),
            mean(results, Result::decodeSteps),
            mean(results, Result::millis)));
    return results;
  }

  private static double mean(List<Result> results, ToDoubleFunction<Result> of) {
    return results.stream().mapToDouble(of).average().orElse(Double.NaN);
  }

  private static Answer ask(Engine engine, Problem problem, Mode mode) {
    return engine.ask(Question.of(problem.question()).mode(mode).temperature(0).maxTokens(BUDGET));
  }

  private static boolean isRight(Answer answer, Problem problem) {
    return Rewards.NUMBER.score(answer.text(), problem.truth()) > 0;
  }

  /**
   * A threshold for {@code auto}.
   *
   * @param measure the confidence that tells better
   * @param threshold below it, the question is thought about in text
   * @param kept part of the latent answers that stand
   */
  public record Calibration(ConfidenceMeasure measure, double threshold, double kept) {}

  /** A problem's latent answer. */
  private record Trial(Answer.Confidence confidence, boolean latent, boolean explicit) {
    double confidence(ConfidenceMeasure measure) {
      return measure == ConfidenceMeasure.MEAN_LOGPROB
          ? confidence.meanLogprob()
          : confidence.smallestMargin();
    }
  }

  /**
   * Finds the measure and the threshold with which {@code auto} keeps most latent answers and yet
   * is at most 1.2 points worse than {@code explicit}, and writes them to the network's config.
   *
   * @param paper other problems than it is examined with
   */
  public static Calibration calibrate(Engine engine, Path network, Paper paper) {
    List<Trial> trials = new ArrayList<>();
    for (int steps = paper.least; steps <= paper.most; steps++) {
      for (int i = 0; i < paper.count; i++) {
        Problem problem = paper.lab(steps).problem(i);
        Answer latent = ask(engine, problem, Mode.LATENT);
        Answer explicit = ask(engine, problem, Mode.EXPLICIT);
        trials.add(
            new Trial(latent.confidence(), isRight(latent, problem), isRight(explicit, problem)));
      }
    }
    Calibration byLogprob = calibrate(trials, ConfidenceMeasure.MEAN_LOGPROB);
    Calibration byMargin = calibrate(trials, ConfidenceMeasure.SMALLEST_MARGIN);
    Calibration best = byMargin.kept > byLogprob.kept ? byMargin : byLogprob;
    NetworkConfig config;
    try (NetworkCheckpoint stored = NetworkCheckpoint.open(network)) {
      config = stored.config();
    }
    CheckpointWriter.networkConfig(network, config.calibrated(best.threshold, best.measure));
    return best;
  }

  /** From the most confident down: as long as too few right answers are lost. */
  private static Calibration calibrate(List<Trial> trials, ConfidenceMeasure measure) {
    List<Trial> sorted = new ArrayList<>(trials);
    sorted.sort(Comparator.comparingDouble((Trial t) -> t.confidence(measure)).reversed());
    int lost = 0;
    int kept = 0;
    for (int i = 0; i < sorted.size(); i++) {
      Trial trial = sorted.get(i);
      lost += (trial.explicit ? 1 : 0) - (trial.latent ? 1 : 0);
      if (lost <= MARGIN * sorted.size()) {
        kept = i + 1;
      }
    }
    double threshold =
        kept == 0
            ? Double.MAX_VALUE
            : kept == sorted.size()
                ? -Double.MAX_VALUE
                : (sorted.get(kept - 1).confidence(measure) + sorted.get(kept).confidence(measure))
                    / 2;
    return new Calibration(measure, threshold, (double) kept / sorted.size());
  }
}
