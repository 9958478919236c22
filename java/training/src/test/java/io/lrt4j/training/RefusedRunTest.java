package io.lrt4j.training;

import static io.lrt4j.training.Miniature.QUIET;
import static io.lrt4j.training.Miniature.killedAt;
import static io.lrt4j.training.Miniature.plan;
import static io.lrt4j.training.Miniature.settings;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.training.Miniature.Killed;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemFiles;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Rewards;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Runs that cannot begin, or cannot go on, and what is said of them. */
class RefusedRunTest {
  private static final JsonMapper MAPPER = new JsonMapper();

  private static Miniature models;

  @TempDir Path directory;

  @BeforeAll
  static void make(@TempDir Path folder) {
    models = Miniature.in(folder);
  }

  @Test
  void aDirectoryInUseAndAnotherRunsCheckpointAreRefused() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      Path out = directory.resolve("out");
      Training.base(
          models.base(), settings, false, plan(backend, settings(out, false, 2, 1e-3), QUIET));
      assertRefused(
          "expected an empty directory",
          () ->
              Training.base(
                  models.base(),
                  settings,
                  false,
                  plan(backend, settings(out, false, 2, 1e-3), QUIET)));
      assertRefused(
          "other settings: expected steps 3, found steps 2",
          () ->
              Training.base(
                  models.base(),
                  settings,
                  false,
                  plan(backend, settings(out, true, 3, 1e-3), QUIET)));
      assertRefused(
          "found none",
          () ->
              Training.base(
                  models.base(),
                  settings,
                  false,
                  plan(backend, settings(directory.resolve("new"), true, 3, 1e-3), QUIET)));
    }
  }

  /** A run that was begun before a hash was written down goes on with any. */
  @Test
  void onlyTheSameDataIsResumed() {
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var settings = new BaseSettings(2, 1, false, false, 1);
      String whole = "[data a, data_hash 12, eval_data_hash 56, seed 1, Of[b=2], model_hash 78]";
      for (String before :
          List.of("[data a, seed 1, Of[b=2]]", "[data a, data_hash 12, seed 1, Of[b=2]]", whole)) {
        Path out = directory.resolve("out" + before.length());
        assertThrows(
            Killed.class,
            () ->
                Training.base(
                    models.base(),
                    settings,
                    false,
                    plan(backend, named(out, false, before), killedAt(1))));
        assertRefused(
            "other settings: expected seed 2, found seed 1",
            () ->
                Training.base(
                    models.base(),
                    settings,
                    false,
                    plan(backend, named(out, true, before.replace("seed 1", "seed 2")), QUIET)));
        Training.base(
            models.base(), settings, false, plan(backend, named(out, true, whole), QUIET));
        for (String item : List.of("data_hash 12", "eval_data_hash 56", "b=2", "model_hash 78")) {
          String other = item.replaceFirst("\\d+", "34");
          assertRefused(
              "other settings: expected " + other + ", found " + item,
              () ->
                  Training.base(
                      models.base(),
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
                    models.base(),
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
                          models.base(),
                          settings,
                          false,
                          plan(backend, settings(out, true, 8, 1e-3), QUIET)));
            }
          };
      Training.base(
          models.base(), settings, false, plan(backend, settings(out, false, 8, 1e-3), resumesToo));
      Training.base(
          models.base(), settings, false, plan(backend, settings(out, true, 8, 1e-3), QUIET));
    }
  }

  /** It has a token that the model does not: another model's would have many. */
  @Test
  void aTokenizerWithMoreIdsThanTheModelIsNamed() throws IOException {
    Path model = limited(models.base(), "more", 1024, 1024);
    Path file = model.resolve("tokenizer.json");
    ObjectNode json = (ObjectNode) MAPPER.readTree(file.toFile());
    int size;
    try (Checkpoint checkpoint = Checkpoint.open(models.base())) {
      size = checkpoint.config().vocabSize();
    }
    json.withArray("added_tokens").addObject().put("id", size).put("content", "<pad>");
    MAPPER.writeValue(file.toFile(), json);
    String fits = "{\"question\":\"3*2\",\"reasoning\":\"3*2=6\",\"answer\":\"6\"}\n";
    String told =
        "long.jsonl, line 2: token ids must be 0 to %d, the model's vocabulary, found %d: the %d ids of %s are"
            .formatted(size - 1, size, size + 1, file);
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      Training.Plan padded = reading(backend, fits + fits.replace("\"6\"", "\"<pad>\""));
      var baseSettings = new BaseSettings(1, 1, false, false, 1);
      var sftSettings = new SftSettings(1, 1, false, 0);
      assertRefused(told, () -> Training.base(model, baseSettings, false, padded));
      assertRefused(told, () -> Training.sft(model, models.network(), sftSettings, false, padded));
      Training.sft(model, models.network(), sftSettings, false, reading(backend, fits));
    }
  }

  /** Model and network take at most 60 tokens and 40 of a question; the lab's have some 30. */
  @Test
  void aProblemThatIsTooLongIsRefusedBeforeARunBegins() throws IOException {
    Path narrow = limited(models.base(), "base", 1024, 60);
    Path shortSighted = limited(models.network(), "network", 1028, 44);
    String fits = "{\"question\":\"3*2\",\"reasoning\":\"3*2=6\",\"answer\":\"6\"}\n";
    try (Backend backend = Backends.openForTraining(Backends.AUTO, 1)) {
      var baseSettings = new BaseSettings(1, 1, false, false, 1);
      var sftSettings = new SftSettings(1, 1, false, 0);
      Training.Plan longChain = reading(backend, fits + fits.replace("=6", "=6".repeat(60)));
      assertRefused(
          "long.jsonl, line 2: expected at most 60 tokens, the model's context, found 1",
          () -> Training.base(narrow, baseSettings, false, longChain));
      Training.sft(narrow, models.network(), sftSettings, false, longChain); // learns no chain
      Training.Plan longAnswer =
          reading(backend, fits.replace("\"6\"", "\"" + "6".repeat(60) + '"'));
      assertRefused(
          "long.jsonl, line 1: expected at most 60 tokens",
          () -> Training.sft(narrow, models.network(), sftSettings, false, longAnswer));
      Training.Plan longQuestion =
          reading(backend, fits + fits.replace("3*2\"", "3*2".repeat(15) + '"'));
      assertRefused(
          "long.jsonl, line 2: expected a question of at most 40 tokens, which the network takes",
          () -> Training.sft(models.base(), shortSighted, sftSettings, false, longQuestion));
      assertRefused(
          "long.jsonl, line 2: the text is not Unicode: half a surrogate pair",
          () ->
              Training.sft(
                  models.base(),
                  models.network(),
                  sftSettings,
                  false,
                  reading(backend, fits + fits.replace("3*2\"", "\\ud800\""))));
      assertRefused(
          "answer 50)", // which may be sampled
          () ->
              Training.grpo(
                  narrow,
                  models.network(),
                  models.network(),
                  new GrpoSettings(1, 2, 1, 1, 0.2, 2e-3, 1, 1, 50, 7),
                  Rewards.AUTO,
                  false,
                  false,
                  reading(backend, fits)));
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

  private Training.Plan reading(Backend backend, String lines) throws IOException {
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
                  models.base(),
                  settings,
                  false,
                  plan(backend, settings(directory.resolve("nan"), false, 40, 1e37), QUIET)));
    }
  }

  private static void assertRefused(String part, Executable run) {
    String message = String.valueOf(assertThrows(TrainingException.class, run).getMessage());
    assertTrue(message.contains(part), message);
  }
}
