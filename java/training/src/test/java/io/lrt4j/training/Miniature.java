package io.lrt4j.training;

import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.compute.Backend;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Reward;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;

/** A miniature model and a network for it, neither of them trained, and short runs on them. */
record Miniature(Path base, Path network) {
  static final LabModel.Size SIZE = new LabModel.Size(330, 32, 64, 2, 2, 16);

  static final Progress QUIET = (step, steps, metrics, left) -> {};

  /** Makes both in a directory. */
  static Miniature in(Path directory) {
    Path base = directory.resolve("base0");
    Path network = directory.resolve("network0");
    LabModel.create(SIZE, Lab.Range.EASY, 1, base);
    Initializer.network(base, base, 2, 4, Fusion.APPEND, network, 1);
    return new Miniature(base, network);
  }

  static RunSettings settings(Path out, boolean resume, int steps, double rate) {
    return new RunSettings(
        out,
        resume,
        new LearningRate(rate, 3, steps, 0.1, 0),
        1,
        10,
        5,
        "[test, steps " + steps + "]");
  }

  static Training.Plan plan(Backend backend, RunSettings run, Progress progress) {
    return plan(backend, run, progress, lab(Lab.Split.TRAIN)::problem);
  }

  static Training.Plan plan(
      Backend backend, RunSettings run, Progress progress, ProblemSource source) {
    Lab test = lab(Lab.Split.HELDOUT);
    List<Problem> heldOut = LongStream.range(0, 8).mapToObj(test::problem).toList();
    var optimizer = new OptimizerSettings(0.9f, 0.95f, 1e-8f, 0.01f, 1, 5); // with Muon
    return new Training.Plan(source, heldOut, optimizer, run, backend, progress);
  }

  static Lab lab(Lab.Split split) {
    return new Lab(Lab.Range.EASY, Lab.Mix.even(1, 2), 1, split);
  }

  /** Stops a run in the middle, as a killed process would. */
  static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  static Progress killedAt(int wanted) {
    return (step, steps, metrics, left) -> {
      if (step == wanted) {
        throw new Killed();
      }
    };
  }

  /** Rewards every answer that has an even number of characters, so that groups differ. */
  void grpo(Backend backend, GrpoSettings settings, RunSettings run, Progress progress) {
    grpo(backend, settings, (answer, truth) -> answer.length() % 2 == 0 ? 1 : 0, run, progress);
  }

  void grpo(
      Backend backend, GrpoSettings settings, Reward reward, RunSettings run, Progress progress) {
    Training.grpo(
        base, network, network, settings, reward, true, false, plan(backend, run, progress));
  }
}
