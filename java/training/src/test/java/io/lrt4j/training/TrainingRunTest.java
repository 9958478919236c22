package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemFiles;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Reward;
import io.lrt4j.training.data.Rewards;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** All three trainings on a miniature model, from nothing to checkpoints that run. */
class TrainingRunTest {
  private static final LabModel.Size SIZE = new LabModel.Size(330, 32, 64, 2, 2, 16);

  private static final JsonMapper MAPPER = new JsonMapper();

  private static Path base = Path.of("");
  private static Path network = Path.of("");

  @TempDir Path directory;

  @BeforeAll
  static void models(@TempDir Path models) {
    base = models.resolve("base0");
    network = models.resolve("network0");
    LabModel.create(SIZE, Lab.Range.EASY, 1, base);
    Initializer.network(base, base, 2, 4, Fusion.APPEND, network, 1);
  }

  private static RunSettings settings(Path out, boolean resume, int steps, double rate) {
    return new RunSettings(
        out,
        resume,
        new LearningRate(rate, 3, steps, 0.1, 0),
        1,
        10,
        5,
        "[test, steps " + steps + "]");
  }

  private static Training.Plan plan(Backend backend, RunSettings run, Progress progress) {
    return plan(backend, run, progress, lab(Lab.Split.TRAIN)::problem);
  }

  private static Training.Plan plan(
      Backend backend, RunSettings run, Progress progress, ProblemSource source) {
    Lab test = lab(Lab.Split.HELDOUT);
    List<Problem> heldOut = LongStream.range(0, 8).mapToObj(test::problem).toList();
    var optimizer = new OptimizerSettings(0.9f, 0.95f, 1e-8f, 0.01f, 1, 5); // with Muon
    return new Training.Plan(source, heldOut, optimizer, run, backend, progress);
  }

  private static final Progress QUIET = (step, steps, metrics, left) -> {};

  private static Lab lab(Lab.Split split) {
    return new Lab(Lab.Range.EASY, Lab.Mix.even(1, 2), 1, split);
  }

  /** Stops a run in the middle, as a killed process would. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static Progress killedAt(int wanted) {
    return (step, steps, metrics, left) -> {
      if (step == wanted) {
        throw new Killed();
      }
    };
  }

  private static List<String> losses(Path out) throws IOException {
    List<String> losses = new ArrayList<>();
    for (String line : Files.readAllLines(out.resolve("metrics.jsonl"))) {
      losses.add(line.substring(0, line.indexOf(",\"tokens_per_second\"")));
    }
    return losses;
  }

  @Test
  void aMiniatureModelLearns() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new BaseSettings(16, 1, false, true, 1);
      SequencedMap<String, Double> trained =
          Training.base(
              base,
              settings,
              false,
              plan(backend, settings(directory.resolve("base"), false, 150, 4e-3), QUIET));
      assertTrue(trained.getOrDefault("eval_loss", 9.0) < 1.9, "base: " + trained);
      Path model = directory.resolve("base/best");
      Checkpoint.open(model).close();
      SequencedMap<String, Double> reasoned =
          Training.sft(
              model,
              network,
              new SftSettings(16, 1, true, 0),
              false,
              plan(backend, settings(directory.resolve("sft"), false, 60, 2e-3), QUIET));
      assertTrue(reasoned.getOrDefault("eval_loss", 9.0) < 2.0, "network: " + reasoned);
      NetworkCheckpoint.open(directory.resolve("sft/best")).close();
    }
  }

  @Test
  void aResumedRunIsTheSameRun() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new BaseSettings(4, 2, true, true, 2);
      Path whole = directory.resolve("whole");
      Path broken = directory.resolve("broken");
      Training.base(base, settings, false, plan(backend, settings(whole, false, 12, 1e-3), QUIET));
      assertThrows(
          Killed.class,
          () ->
              Training.base(
                  base,
                  settings,
                  false,
                  plan(backend, settings(broken, false, 12, 1e-3), killedAt(8))));
      Training.base(base, settings, true, plan(backend, settings(broken, true, 12, 1e-3), QUIET));
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
          Safetensors given = Safetensors.open(network.resolve("model.safetensors"))) {
        assertEquals(
            given.tensors().stream().map(StoredTensor::name).toList(),
            saved.tensors().stream().map(StoredTensor::name).toList());
      }
    }
  }

  private void sft(Backend backend, RunSettings run, Progress progress) {
    var settings = new SftSettings(4, 2, true, 0.5);
    Training.sft(base, network, settings, false, plan(backend, run, progress));
  }

  @Test
  void rewardTrainingResumesToo() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(3, 4, 2, 2, 0.2, 2e-3, 1, 1, 4, 7);
      Path whole = directory.resolve("whole");
      Path broken = directory.resolve("broken");
      grpo(backend, settings, settings(whole, false, 8, 1e-3), QUIET);
      assertThrows(
          Killed.class,
          () -> grpo(backend, settings, settings(broken, false, 8, 1e-3), killedAt(6)));
      grpo(backend, settings, settings(broken, true, 8, 1e-3), QUIET);
      assertEquals(losses(whole), losses(broken));
      String last = losses(whole).getLast();
      for (String metric :
          List.of("reward\"", "reward_std", "frac_reward_zero_std", "completions/mean_length")) {
        assertTrue(last.contains("\"" + metric), last);
      }
    }
  }

  /** The reference stays what it was, samples of a question differ, and too long ones are cut. */
  @Test
  void rewardTrainingLeavesItsReferenceBehind() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(3, 4, 1, 1, 0.2, 2e-3, 1, 1, 4, 7);
      grpo(backend, settings, settings(directory.resolve("run"), false, 4, 1e-3), QUIET);
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
        grpo(backend, settings, settings(out, false, 3, 1e-2), QUIET);
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
        grpo(backend, settings, listening, settings(out, false, 2, 1e-3), QUIET);
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
          base,
          new BaseSettings(3, 1, false, true, 1),
          false,
          plan(backend, settings(directory.resolve("base"), false, 3, 1e-3), QUIET, source));
      assertEquals(expected, taken);
      taken.clear();
      Training.sft(
          base,
          network,
          new SftSettings(3, 1, true, 0),
          false,
          plan(backend, settings(directory.resolve("sft"), false, 3, 1e-3), QUIET, source));
      assertEquals(expected, taken);
      taken.clear();
      Training.grpo(
          base,
          network,
          network,
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
    Training.base(base, settings, false, plan(backend, settings(out, false, 1, 1e-3), QUIET));
    return metrics(out).getFirst().path("loss").asDouble();
  }

  /** Not even that the reference is elsewhere. */
  @Test
  void groupsThatAreAllAlikeSayNothing() throws IOException {
    Path other = directory.resolve("other");
    Initializer.network(base, base, 2, 4, Fusion.APPEND, other, 2);
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 2)) {
      var settings = new GrpoSettings(3, 4, 1, 1, 0.2, 2e-3, 1, 1, 4, 7);
      Path out = directory.resolve("run");
      RunSettings run = settings(out, false, 3, 1e-3);
      Reward always = (_, _) -> 1;
      Training.grpo(base, network, other, settings, always, true, false, plan(backend, run, QUIET));
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
      grpo(backend, settings, listening, settings(out, false, 1, 1e-3), QUIET);
      var options =
          EngineOptions.defaults().withNetwork(out.resolve("last")).withBackend(backend.name());
      try (Engine engine = Engine.load(base, options)) {
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

  /** Rewards every answer that has an even number of characters, so that groups differ. */
  private void grpo(Backend backend, GrpoSettings settings, RunSettings run, Progress progress) {
    grpo(backend, settings, (answer, truth) -> answer.length() % 2 == 0 ? 1 : 0, run, progress);
  }

  private static void grpo(
      Backend backend, GrpoSettings settings, Reward reward, RunSettings run, Progress progress) {
    Training.grpo(
        base, network, network, settings, reward, true, false, plan(backend, run, progress));
  }

  /** A task of which nothing matters but its figures, one a step; what it saves is the step. */
  private static final class Figures implements Task {
    private final Parameters parameters;
    private final Optimizer optimizer;
    private final String name;
    private final double[] figures;
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

  private static RunSettings everyStep(Path out, boolean resume) {
    return new RunSettings(out, resume, new LearningRate(1, 1, 4, 0.1, 0), 1, 1, 1, "[figures]");
  }

  @Test
  void aDirectoryInUseAndAnotherRunsCheckpointAreRefused() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      Path out = directory.resolve("out");
      Training.base(base, settings, false, plan(backend, settings(out, false, 2, 1e-3), QUIET));
      assertRefused(
          "expected an empty directory",
          () ->
              Training.base(
                  base, settings, false, plan(backend, settings(out, false, 2, 1e-3), QUIET)));
      assertRefused(
          "other settings: expected steps 3, found steps 2",
          () ->
              Training.base(
                  base, settings, false, plan(backend, settings(out, true, 3, 1e-3), QUIET)));
      assertRefused(
          "found none",
          () ->
              Training.base(
                  base,
                  settings,
                  false,
                  plan(backend, settings(directory.resolve("new"), true, 3, 1e-3), QUIET)));
    }
  }

  /** A run that was begun before the data's hash was written down goes on with any. */
  @Test
  void onlyTheSameDataIsResumed() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      String whole = "[data a, data_hash 12, eval_data_hash 56, seed 1]";
      for (String before : List.of("[data a, seed 1]", "[data a, data_hash 12, seed 1]", whole)) {
        Path out = directory.resolve("out" + before.length());
        assertThrows(
            Killed.class,
            () ->
                Training.base(
                    base, settings, false, plan(backend, named(out, false, before), killedAt(1))));
        assertRefused(
            "other settings: expected seed 2, found seed 1",
            () ->
                Training.base(
                    base,
                    settings,
                    false,
                    plan(backend, named(out, true, before.replace("seed 1", "seed 2")), QUIET)));
        Training.base(base, settings, false, plan(backend, named(out, true, whole), QUIET));
        for (String item : List.of("data_hash 12", "eval_data_hash 56")) {
          String other = item.replaceFirst("\\d+", "34");
          assertRefused(
              "other settings: expected " + other + ", found " + item,
              () ->
                  Training.base(
                      base,
                      settings,
                      false,
                      plan(backend, named(out, true, whole.replace(item, other)), QUIET)));
        }
      }
    }
  }

  private static RunSettings named(Path out, boolean resume, String fingerprint) {
    return new RunSettings(out, resume, new LearningRate(1e-3, 1, 2, 0.1, 0), 1, 2, 1, fingerprint);
  }

  @Test
  void problemsHaveAFingerprint() {
    Problem p = new Problem("a", "b", "c", "d");
    String one = ProblemFiles.fingerprint(List.of(p));
    assertEquals(one, ProblemFiles.fingerprint(List.of(new Problem("a", "b", "c", "d", "there"))));
    for (Problem other :
        List.of(
            new Problem("x", "b", "c", "d"),
            new Problem("a", "x", "c", "d"),
            new Problem("a", "b", "x", "d"),
            new Problem("a", "b", "c", "x"))) {
      assertNotEquals(one, ProblemFiles.fingerprint(List.of(other)));
      assertNotEquals(
          ProblemFiles.fingerprint(List.of(p, other)), ProblemFiles.fingerprint(List.of(other, p)));
    }
  }

  @Test
  void aRunWhoseDirectoryIsRemovedEnds() throws IOException {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      Path out = directory.resolve("out");
      Path metrics = out.resolve("metrics.jsonl");
      for (Path removed : List.of(metrics, out)) {
        Progress removing =
            (step, steps, figures, left) -> {
              if (step == 6) {
                remove(removed);
              }
            };
        assertRefused(
            metrics
                + ": expected the file that the run writes to, found it removed; "
                + (removed.equals(out)
                    ? "there is no checkpoint to go on from"
                    : "--resume goes on from " + out.resolve("checkpoint.safetensors")),
            () ->
                Training.base(
                    base,
                    settings,
                    false,
                    plan(backend, settings(out, removed.equals(out), 8, 1e-3), removing)));
      }
      assertTrue(Files.notExists(out));
    }
  }

  private static void remove(Path path) {
    try (Stream<Path> files = Files.walk(path)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** It has a token that the model does not: another model's would have many. */
  @Test
  void aTokenizerWithMoreIdsThanTheModelIsNamed() throws IOException {
    Path model = limited(base, "more", 1024, 1024);
    Path file = model.resolve("tokenizer.json");
    ObjectNode json = (ObjectNode) MAPPER.readTree(file.toFile());
    int size;
    try (Checkpoint checkpoint = Checkpoint.open(base)) {
      size = checkpoint.config().vocabSize();
    }
    json.withArray("added_tokens").addObject().put("id", size).put("content", "<pad>");
    MAPPER.writeValue(file.toFile(), json);
    String fits = "{\"question\":\"3*2\",\"reasoning\":\"3*2=6\",\"answer\":\"6\"}\n";
    String told =
        "long.jsonl, line 2: token ids must be 0 to %d, the model's vocabulary, found %d: the %d ids of %s are"
            .formatted(size - 1, size, size + 1, file);
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      Training.Plan padded = plan(backend, fits + fits.replace("\"6\"", "\"<pad>\""));
      var baseSettings = new BaseSettings(1, 1, false, false, 1);
      var sftSettings = new SftSettings(1, 1, false, 0);
      assertRefused(told, () -> Training.base(model, baseSettings, false, padded));
      assertRefused(told, () -> Training.sft(model, network, sftSettings, false, padded));
      Training.sft(model, network, sftSettings, false, plan(backend, fits));
    }
  }

  @Test
  void aDirectoryIsOfOneRunAtATime() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      Path out = directory.resolve("out");
      Progress resumesToo =
          (step, steps, metrics, left) -> {
            if (step == 6) {
              assertRefused(
                  "expected a directory of its own, found another run writing to it",
                  () ->
                      Training.base(
                          base,
                          settings,
                          false,
                          plan(backend, settings(out, true, 8, 1e-3), QUIET)));
            }
          };
      Training.base(
          base, settings, false, plan(backend, settings(out, false, 8, 1e-3), resumesToo));
      Training.base(base, settings, false, plan(backend, settings(out, true, 8, 1e-3), QUIET));
    }
  }

  /** Model and network take at most 60 tokens and 40 of a question; the lab's have some 30. */
  @Test
  void aProblemThatIsTooLongIsRefusedBeforeARunBegins() throws IOException {
    Path narrow = limited(base, "base", 1024, 60);
    Path shortSighted = limited(network, "network", 1028, 44);
    String fits = "{\"question\":\"3*2\",\"reasoning\":\"3*2=6\",\"answer\":\"6\"}\n";
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var baseSettings = new BaseSettings(1, 1, false, false, 1);
      var sftSettings = new SftSettings(1, 1, false, 0);
      Training.Plan longChain = plan(backend, fits + fits.replace("=6", "=6".repeat(60)));
      assertRefused(
          "long.jsonl, line 2: expected at most 60 tokens, the model's context, found 1",
          () -> Training.base(narrow, baseSettings, false, longChain));
      Training.sft(narrow, network, sftSettings, false, longChain); // learns no chain
      Training.Plan longAnswer = plan(backend, fits.replace("\"6\"", "\"" + "6".repeat(60) + '"'));
      assertRefused(
          "long.jsonl, line 1: expected at most 60 tokens",
          () -> Training.sft(narrow, network, sftSettings, false, longAnswer));
      Training.Plan longQuestion =
          plan(backend, fits + fits.replace("3*2\"", "3*2".repeat(15) + '"'));
      assertRefused(
          "long.jsonl, line 2: expected a question of at most 40 tokens, which the network takes",
          () -> Training.sft(base, shortSighted, sftSettings, false, longQuestion));
      assertRefused(
          "long.jsonl, line 2: the text is not Unicode: half a surrogate pair",
          () ->
              Training.sft(
                  base,
                  network,
                  sftSettings,
                  false,
                  plan(backend, fits + fits.replace("3*2\"", "\\ud800\""))));
      assertRefused(
          "answer 50)", // which may be sampled
          () ->
              Training.grpo(
                  narrow,
                  network,
                  network,
                  new GrpoSettings(1, 2, 1, 1, 0.2, 2e-3, 1, 1, 50, 7),
                  Rewards.AUTO,
                  false,
                  false,
                  plan(backend, fits)));
      assertRefused( // what is made on the way is refused there
          "training stopped in step 1: a problem: expected at most 60 tokens",
          () ->
              Training.base(
                  narrow,
                  baseSettings,
                  false,
                  plan(
                      backend,
                      settings(directory.resolve("made"), false, 1, 1e-3),
                      QUIET,
                      index -> new Problem("3*2".repeat(60), "", "6", "6"))));
    }
  }

  private Training.Plan plan(Backend backend, String lines) throws IOException {
    Path file = directory.resolve("long.jsonl");
    Files.writeString(file, lines);
    ProblemSource source = ProblemSource.shuffled(ProblemFiles.read(file), 1);
    RunSettings run = settings(directory.resolve("run" + lines.hashCode()), false, 1, 1e-3);
    return plan(backend, run, QUIET, source);
  }

  private Path limited(Path from, String name, int positions, int limit) throws IOException {
    Path copy = Files.createDirectory(directory.resolve(name));
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    String config = Files.readString(copy.resolve("config.json"));
    String key = "\"max_position_embeddings\" : ";
    assertTrue(config.contains(key + positions), config);
    Files.writeString(copy.resolve("config.json"), config.replace(key + positions, key + limit));
    return copy;
  }

  @Test
  void aNumberThatIsNoneStopsTheRun() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      // A rate that blows the weights up after the first checkpoint.
      assertRefused(
          "training stopped in step",
          () ->
              Training.base(
                  base,
                  settings,
                  false,
                  plan(backend, settings(directory.resolve("nan"), false, 40, 1e37), QUIET)));
    }
  }

  private static void assertRefused(String part, Executable run) {
    String message = String.valueOf(assertThrows(TrainingException.class, run).getMessage());
    assertTrue(message.contains(part), message);
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
