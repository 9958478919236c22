package io.lrt4j.training;

import static io.lrt4j.training.Miniature.QUIET;
import static io.lrt4j.training.Miniature.SIZE;
import static io.lrt4j.training.Miniature.lab;
import static io.lrt4j.training.Miniature.plan;
import static io.lrt4j.training.Miniature.settings;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Reward;
import io.lrt4j.training.data.Rewards;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** All three trainings on a miniature model, from nothing to checkpoints that run. */
class TrainingRunTest {
  private static final JsonMapper MAPPER = new JsonMapper();

  private static Miniature models;

  @TempDir Path directory;

  @BeforeAll
  static void make(@TempDir Path folder) {
    models = Miniature.in(folder);
  }

  @Test
  void aMiniatureModelLearns() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new BaseSettings(16, 1, false, true, 1);
      SequencedMap<String, Double> trained =
          Training.base(
              models.base(),
              settings,
              false,
              plan(backend, settings(directory.resolve("base"), false, 150, 4e-3), QUIET));
      assertTrue(trained.getOrDefault("eval_loss", 9.0) < 1.9, "base: " + trained);
      Path model = directory.resolve("base/best");
      Checkpoint.open(model).close();
      SequencedMap<String, Double> reasoned =
          Training.sft(
              model,
              models.network(),
              new SftSettings(16, 1, true, 0),
              false,
              plan(backend, settings(directory.resolve("sft"), false, 60, 2e-3), QUIET));
      assertTrue(reasoned.getOrDefault("eval_loss", 9.0) < 2.0, "network: " + reasoned);
      NetworkCheckpoint.open(directory.resolve("sft/best")).close();
    }
  }

  /** The reference stays what it was, samples of a question differ, and too long ones are cut. */
  @Test
  void rewardTrainingLeavesItsReferenceBehind() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(3, 4, 1, 1, 0.2, 2e-3, 1, 1, 4, 7);
      models.grpo(backend, settings, settings(directory.resolve("run"), false, 4, 1e-3), QUIET);
      List<JsonNode> metrics = metrics(directory.resolve("run"));
      assertEquals(0, metrics.getFirst().path("kl").asDouble(1), 1e-6);
      assertTrue(metrics.getLast().path("kl").asDouble() > 1e-5, metrics.toString());
      assertTrue(
          metrics.stream().anyMatch(line -> line.path("reward_std").asDouble() > 0),
          metrics.toString());
      for (JsonNode line : metrics) { // of an untrained model, which seldom ends
        assertTrue(line.path("completions/mean_length").asDouble() > 2, line.toString());
        assertTrue(line.path("completions/clipped_ratio").asDouble() > 0.5, line.toString());
      }
    }
  }

  /** From the second epoch on, samples are no longer the policy's own. */
  @Test
  void ratiosOutOfRangeAreClipped() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      for (int epochs : new int[] {1, 3}) {
        var settings = new GrpoSettings(3, 4, 1, epochs, 0.01, 2e-3, 1, 1, 4, 7);
        Path out = directory.resolve("epochs" + epochs);
        models.grpo(backend, settings, settings(out, false, 3, 1e-2), QUIET);
        double clipped = 0;
        for (JsonNode line : metrics(out)) {
          clipped += line.path("clip_ratio/region_mean").asDouble();
        }
        assertEquals(epochs > 1, clipped > 0, "clipped: " + clipped);
      }
    }
  }

  /** Where nothing is left to chance, all samples of a question are the same. */
  @Test
  void samplesAreDrawnAsTheSettingsSay() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      for (float[] sampling : new float[][] {{1, 1}, {1e-3f, 1}, {1, 1e-6f}}) {
        var settings = new GrpoSettings(4, 4, 1, 1, 0.2, 2e-3, sampling[0], sampling[1], 4, 7);
        Path out = directory.resolve("run" + sampling[0] + sampling[1]);
        List<String> answers = new ArrayList<>();
        Reward listening =
            (answer, _) -> {
              answers.add(answer);
              return 1; // nothing is learnt
            };
        models.grpo(backend, settings, listening, settings(out, false, 2, 1e-3), QUIET);
        int differ = 0;
        for (int group = 0; group < 2 * 4; group++) { // then come those of the evaluation
          List<String> samples = answers.subList(4 * group, 4 * group + 4);
          differ += samples.stream().distinct().count() > 1 ? 1 : 0;
        }
        boolean sure = sampling[0] < 1 || sampling[1] < 1;
        assertEquals(sure ? 0 : 8, differ, answers.toString());
      }
    }
  }

  /** Step s takes the s-th batch of problems, in all trainings. */
  @Test
  void everyStepTakesTheNextProblems() {
    List<Long> taken = new ArrayList<>();
    Lab lab = lab(Lab.Split.TRAIN);
    ProblemSource source =
        index -> {
          taken.add(index);
          return lab.problem(index);
        };
    List<Long> expected = LongStream.range(0, 9).boxed().toList();
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      Training.base(
          models.base(),
          new BaseSettings(3, 1, false, true, 1),
          false,
          plan(backend, settings(directory.resolve("base"), false, 3, 1e-3), QUIET, source));
      assertEquals(expected, taken);
      taken.clear();
      Training.sft(
          models.base(),
          models.network(),
          new SftSettings(3, 1, true, 0),
          false,
          plan(backend, settings(directory.resolve("sft"), false, 3, 1e-3), QUIET, source));
      assertEquals(expected, taken);
      taken.clear();
      Training.grpo(
          models.base(),
          models.network(),
          models.network(),
          new GrpoSettings(3, 2, 1, 1, 0.2, 2e-3, 1, 1, 4, 7),
          Rewards.AUTO,
          true,
          false,
          plan(backend, settings(directory.resolve("grpo"), false, 3, 1e-3), QUIET, source));
      assertEquals(expected, taken);
    }
  }

  /**
   * The loss is a mean in which a token of a direct answer has its weight, and one of a chain 1:
   * three losses of the same model say what the fourth must be.
   */
  @Test
  void directAnswersWeighWhatTheyShould() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      for (boolean allText : new boolean[] {false, true}) {
        double chains = firstLoss(backend, allText, 0);
        double direct = firstLoss(backend, allText, 1e9);
        double both = firstLoss(backend, allText, 1);
        for (double loss : new double[] {chains, direct, both}) { // of a model that knows nothing
          assertEquals(Math.log(SIZE.vocabulary()), loss, 0.5);
        }
        double part = (both - chains) / (direct - both); // direct tokens for one of a chain
        assertTrue(part > 0.05 && part < 1, chains + ", " + direct + ", " + both);
        double expected = (chains + 3 * part * direct) / (1 + 3 * part);
        assertEquals(expected, firstLoss(backend, allText, 3), 1e-4);
      }
    }
  }

  private double firstLoss(Backend backend, boolean allText, double directWeight)
      throws IOException {
    Path out = directory.resolve("weight" + allText + directWeight);
    var settings = new BaseSettings(4, 2, allText, false, directWeight);
    Training.base(
        models.base(), settings, false, plan(backend, settings(out, false, 1, 1e-3), QUIET));
    return metrics(out).getFirst().path("loss").asDouble();
  }

  @Test
  void whatATokenWeighsIsLearntFromItTooAndNotOnlyReported() {
    var loss = new SftLoss(4.0, token -> token == 0 ? 3 : 1);
    var scores = new TokenScores(false);
    scores.ensure(2);
    scores.logprobs[0] = -1;
    scores.logprobs[1] = -2;
    loss.derive(0, 2, scores);
    assertEquals(5 / 4.0, loss.value());
    assertEquals(-3 / 4f, scores.coefficients[0]);
    assertEquals(-1 / 4f, scores.coefficients[1]);
  }

  /** Not even that the reference is elsewhere. */
  @Test
  void groupsThatAreAllAlikeSayNothing() throws IOException {
    Path other = directory.resolve("other");
    Initializer.network(models.base(), models.base(), 2, 4, Fusion.APPEND, other, 2);
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(3, 4, 1, 1, 0.2, 2e-3, 1, 1, 4, 7);
      Path out = directory.resolve("run");
      RunSettings run = settings(out, false, 3, 1e-3);
      Reward always = (_, _) -> 1;
      Training.grpo(
          models.base(),
          models.network(),
          other,
          settings,
          always,
          true,
          false,
          plan(backend, run, QUIET));
      for (JsonNode line : metrics(out)) {
        assertEquals(0, line.path("grad_norm").asDouble(1), line.toString());
        assertEquals(1, line.path("frac_reward_zero_std").asDouble(), line.toString());
        assertEquals(1, line.path("reward").asDouble(), line.toString());
      }
    }
  }

  /** What the evaluation rewards is what the engine answers with the network that was saved. */
  @Test
  void rewardTrainingIsEvaluatedGreedily() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(1, 2, 1, 1, 0.2, 2e-3, 1, 1, 4, 7);
      Path out = directory.resolve("run");
      List<String> answers = new ArrayList<>();
      Reward listening =
          (answer, _) -> {
            answers.add(answer);
            return answers.size() % 2;
          };
      models.grpo(backend, settings, listening, settings(out, false, 1, 1e-3), QUIET);
      var options =
          EngineOptions.defaults().withNetwork(out.resolve("last")).withBackend(backend.name());
      try (Engine engine = Engine.load(models.base(), options)) {
        Lab test = lab(Lab.Split.HELDOUT);
        assertEquals(
            LongStream.range(0, 8)
                .mapToObj(test::problem)
                .map(p -> Question.of(p.question()).mode(Mode.LATENT).maxTokens(4))
                .map(q -> engine.ask(q).text())
                .toList(),
            answers.subList(answers.size() - 8, answers.size()));
      }
    }
  }

  private static List<JsonNode> metrics(Path out) throws IOException {
    List<JsonNode> metrics = new ArrayList<>();
    for (String line : Files.readAllLines(out.resolve("metrics.jsonl"))) {
      metrics.add(MAPPER.readTree(line));
    }
    return metrics;
  }

  @Test
  void rewardsOfTheLabAreNumbers() {
    Problem p = lab(Lab.Split.TRAIN).problem(0);
    assertEquals(1, Rewards.AUTO.score(p.answer(), p.truth()));
    assertEquals(0, Rewards.AUTO.score(p.answer() + "1", p.truth()));
  }

  @Test
  void learningRateWarmsUpAndFalls() {
    LearningRate rate = new LearningRate(1, 10, 110, 0.1, 0);
    assertEquals(0.1, rate.at(0), 1e-12);
    assertEquals(1, rate.at(9), 1e-12);
    assertEquals(1, rate.at(10), 1e-12);
    assertEquals(0.55, rate.at(60), 1e-12);
    assertEquals(0.1, rate.at(110), 1e-12);
    LearningRate held = new LearningRate(1, 10, 100, 0, 0.5);
    assertEquals(1, held.at(49), 1e-12);
    assertEquals(0.5, held.at(75), 1e-12);
    assertThrows(IllegalArgumentException.class, () -> new LearningRate(0, 1, 1, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> new LearningRate(1, 1, 1, 0, 2));
  }
}
