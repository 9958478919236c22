package io.lrt4j.training;

import static io.lrt4j.training.Miniature.QUIET;
import static io.lrt4j.training.Miniature.killedAt;
import static io.lrt4j.training.Miniature.plan;
import static io.lrt4j.training.Miniature.settings;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.training.Miniature.Killed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that was killed goes on as if it had not been. */
class ResumedRunTest {
  private static Miniature models;

  @TempDir Path directory;

  @BeforeAll
  static void make(@TempDir Path folder) {
    models = Miniature.in(folder);
  }

  @Test
  void aResumedRunIsTheSameRun() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new BaseSettings(4, 2, true, true, 2);
      Path whole = directory.resolve("whole");
      Path broken = directory.resolve("broken");
      Training.base(
          models.base(), settings, false, plan(backend, settings(whole, false, 12, 1e-3), QUIET));
      assertThrows(
          Killed.class,
          () ->
              Training.base(
                  models.base(),
                  settings,
                  false,
                  plan(backend, settings(broken, false, 12, 1e-3), killedAt(8))));
      Training.base(
          models.base(), settings, true, plan(backend, settings(broken, true, 12, 1e-3), QUIET));
      assertEquals(losses(whole), losses(broken));
      assertArrayEquals(
          Files.readAllBytes(whole.resolve("last/model.safetensors")),
          Files.readAllBytes(broken.resolve("last/model.safetensors")));
    }
  }

  @Test
  void stepHeadsGoOnWithARunAndStayOutOfItsResult() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      Path whole = directory.resolve("whole");
      Path broken = directory.resolve("broken");
      sft(backend, settings(whole, false, 8, 1e-3), QUIET);
      assertThrows(Killed.class, () -> sft(backend, settings(broken, false, 8, 1e-3), killedAt(6)));
      sft(backend, settings(broken, true, 8, 1e-3), QUIET);
      assertEquals(losses(whole), losses(broken));
      assertTrue(losses(whole).getLast().contains("\"step_loss\""), losses(whole).getLast());
      try (Safetensors saved = Safetensors.open(whole.resolve("last/model.safetensors"));
          Safetensors given = Safetensors.open(models.network().resolve("model.safetensors"))) {
        assertEquals(
            given.tensors().stream().map(StoredTensor::name).toList(),
            saved.tensors().stream().map(StoredTensor::name).toList());
      }
    }
  }

  private void sft(Backend backend, RunSettings run, Progress progress) {
    var settings = new SftSettings(4, 2, true, 0.5);
    Training.sft(models.base(), models.network(), settings, false, plan(backend, run, progress));
  }

  @Test
  void rewardTrainingResumesToo() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(3, 4, 2, 2, 0.2, 2e-3, 1, 1, 4, 7);
      Path whole = directory.resolve("whole");
      Path broken = directory.resolve("broken");
      models.grpo(backend, settings, settings(whole, false, 8, 1e-3), QUIET);
      assertThrows(
          Killed.class,
          () -> models.grpo(backend, settings, settings(broken, false, 8, 1e-3), killedAt(6)));
      models.grpo(backend, settings, settings(broken, true, 8, 1e-3), QUIET);
      assertEquals(losses(whole), losses(broken));
      String last = losses(whole).getLast();
      for (String metric :
          List.of("reward\"", "reward_std", "frac_reward_zero_std", "completions/mean_length")) {
        assertTrue(last.contains("\"" + metric), last);
      }
    }
  }

  private static List<String> losses(Path out) throws IOException {
    List<String> losses = new ArrayList<>();
    for (String line : Files.readAllLines(out.resolve("metrics.jsonl"))) {
      losses.add(line.substring(0, line.indexOf(",\"tokens_per_second\"")));
    }
    return losses;
  }

  /**
   * A loss should be small, a reward large; of equals the first is kept, also over a resumption.
   */
  @Test
  void theBestIsKept() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1);
        var parameters =
            new Parameters(new TensorLayout("", Map.of("a.weight", List.of(8L))), backend, false)) {
      for (boolean broken : new boolean[] {false, true}) {
        for (double sign : new double[] {1, -1}) {
          String name = sign > 0 ? "eval_loss" : "eval_reward";
          Path out = directory.resolve(name + broken);
          var task = new Figures(parameters, backend, name, 3 * sign, sign, 2 * sign, sign);
          RunSettings run = everyStep(out, false);
          if (broken) {
            var killed = new TrainingRun(task, run, killedAt(2));
            assertThrows(Killed.class, killed::run);
            Files.move(out.resolve("best"), out.resolve("best.old")); // killed while saving another
            run = everyStep(out, true);
          }
          new TrainingRun(task, run, QUIET).run();
          assertEquals("1", Files.readString(out.resolve("best/step")), out.toString());
          assertEquals("3", Files.readString(out.resolve("last/step")), out.toString());
        }
      }
    }
  }

  /** Of a run that took 1,000 seconds until then; its rates are those of its steps. */
  @Test
  void aRunGoesOnAtItsRateAndItsTime() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1);
        var parameters =
            new Parameters(new TensorLayout("", Map.of("a.weight", List.of(8L))), backend, false)) {
      Path out = directory.resolve("run");
      var task = new Figures(parameters, backend, "eval_loss", 4, 3, 2, 1);
      new TrainingRun(task, everyStep(out, false, 3), QUIET).run();
      LearningRate rate = everyStep(out, false, 3).rate();
      assertEquals(List.of(rate.at(0), rate.at(1), rate.at(2), rate.at(3)), task.rates);
      assertEquals(4, state(out, parameters).step(), "saved at the end, whatever the interval");
      new RunState(2, 0, 3, 0, 1_000, "[figures]")
          .write(out.resolve("checkpoint.safetensors"), parameters);
      task.rates.clear();
      new TrainingRun(task, everyStep(out, true, 3), QUIET).run();
      assertEquals(List.of(rate.at(2), rate.at(3)), task.rates);
      assertTrue(state(out, parameters).seconds() >= 1_000);
    }
  }

  /** Killed after its last checkpoint, it has only to say how it ended. */
  @Test
  void aRunThatIsResumedAtItsEndSaysHowItEnded() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1);
        var parameters =
            new Parameters(new TensorLayout("", Map.of("a.weight", List.of(8L))), backend, false)) {
      Path out = directory.resolve("run");
      var task = new Figures(parameters, backend, "eval_loss", 4, 3, 2, 1);
      var figures = new TrainingRun(task, everyStep(out, false), QUIET).run();
      Files.move(out.resolve("last"), out.resolve("last.new"));
      assertEquals(figures, new TrainingRun(task, everyStep(out, true), QUIET).run());
      assertEquals("3", Files.readString(out.resolve("last/step")));
    }
  }

  /** A checkpoint that was being written is as large as a whole one. */
  @Test
  void whatAKilledProcessLeftUnfinishedIsRemoved() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1);
        var parameters =
            new Parameters(new TensorLayout("", Map.of("a.weight", List.of(8L))), backend, false)) {
      Path out = directory.resolve("run");
      var task = new Figures(parameters, backend, "eval_loss", 1, 2, 3, 4);
      var killed = new TrainingRun(task, everyStep(out, false), killedAt(2));
      assertThrows(Killed.class, killed::run);
      Files.writeString(out.resolve(".checkpoint.safetensors.0-1-2.tmp"), "half");
      Files.createDirectory(out.resolve("best.old"));
      Files.writeString(Files.createDirectory(out.resolve("best.new")).resolve("step"), "half");
      Files.writeString(out.resolve("notes.tmp"), "somebody's own");
      new TrainingRun(task, everyStep(out, true), QUIET).run();
      try (Stream<Path> files = Files.list(out)) {
        assertEquals(
            List.of("best", "checkpoint.safetensors", "last", "metrics.jsonl", "notes.tmp"),
            files.map(file -> file.getFileName().toString()).sorted().toList());
      }
    }
  }

  private static RunState state(Path out, Parameters parameters) {
    return RunState.read(out.resolve("checkpoint.safetensors"), parameters, "[figures]");
  }

  /** A task of which nothing matters but its figures, one a step; what it saves is the step. */
  private static final class Figures implements Task {
    private final Parameters parameters;
    private final Optimizer optimizer;
    private final String name;
    private final double[] figures;
    private final List<Double> rates = new ArrayList<>();
    private int step;

    Figures(Parameters parameters, Backend backend, String name, double... figures) {
      this.parameters = parameters;
      this.name = name;
      this.figures = figures;
      optimizer = new Optimizer(parameters, OptimizerSettings.defaults(), backend);
    }

    @Override
    public Parameters parameters() {
      return parameters;
    }

    @Override
    public Optimizer optimizer() {
      return optimizer;
    }

    @Override
    public SequencedMap<String, Double> step(int step, double learningRate) {
      this.step = step;
      rates.add(learningRate);
      return new LinkedHashMap<>(Map.of("loss", 1.0, "num_tokens", 1.0));
    }

    @Override
    public SequencedMap<String, Double> evaluate() {
      return new LinkedHashMap<>(Map.of(name, figures[step]));
    }

    @Override
    public String bestBy() {
      return name;
    }

    @Override
    public void save(Path to) {
      try {
        Files.writeString(Files.createDirectory(to).resolve("step"), "" + step);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private static RunSettings everyStep(Path out, boolean resume) {
    return everyStep(out, resume, 1);
  }

  private static RunSettings everyStep(Path out, boolean resume, int saveEvery) {
    return new RunSettings(
        out, resume, new LearningRate(1, 1, 4, 0.1, 0), 1, 1, saveEvery, "[figures]");
  }
}
