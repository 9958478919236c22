package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** From nothing to an examined model with a network, in a few steps of each training. */
class TrainCommandTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  @TempDir Path folder;

  private String at(String name) {
    return folder.resolve(name).toString();
  }

  private static String run(String... arguments) {
    Run run = Run.of(arguments);
    assertEquals(0, run.status(), run.err());
    return run.out();
  }

  private String model() {
    String model = at("model");
    run(
        "lab",
        "model",
        "--out",
        model,
        "--vocabulary",
        "300",
        "--hidden",
        "16",
        "--intermediate",
        "32",
        "--layers",
        "2",
        "--heads",
        "2",
        "--head-dim",
        "8");
    return model;
  }

  @Test
  void problemsAreJsonLines() throws IOException {
    List<String> lines =
        run("lab", "problems", "--count", "3", "--steps", "2", "--seed", "4").lines().toList();
    assertEquals(3, lines.size());
    for (String line : lines) {
      JsonNode json = MAPPER.readTree(line);
      assertTrue(json.get("question").asText().endsWith("?"), line);
      assertTrue(json.get("reasoning").asText().endsWith("=" + json.get("answer").asText()), line);
    }
    assertEquals(
        lines,
        run("lab", "problems", "--count", "3", "--steps", "2-2", "--seed", "4").lines().toList());
  }

  @Test
  void allStagesOneAfterAnother() throws IOException {
    String model = model();
    String base =
        run(
            "train",
            "base",
            "--model",
            model,
            "--lab",
            "1-2",
            "--out",
            at("base"),
            "--steps",
            "3",
            "--batch",
            "4",
            "--eval",
            "2",
            "--json");
    assertTrue(MAPPER.readTree(base).has("eval_direct_accuracy"), base);
    String trained = at("base/best");
    run(
        "init",
        "--network",
        "--model",
        trained,
        "--backbone",
        trained,
        "--layers",
        "1",
        "--latents",
        "3",
        "--out",
        at("network"));
    run(
        "train",
        "sft",
        "--model",
        trained,
        "--network",
        at("network"),
        "--lab",
        "1-2",
        "--out",
        at("sft"),
        "--steps",
        "2",
        "--batch",
        "4",
        "--eval",
        "2",
        "--recompute");
    String reward =
        run(
            "train",
            "grpo",
            "--model",
            trained,
            "--network",
            at("sft/best"),
            "--lab",
            "1",
            "--out",
            at("grpo"),
            "--steps",
            "1",
            "--batch",
            "2",
            "--group",
            "2",
            "--eval",
            "2",
            "--max-tokens",
            "3",
            "--json");
    assertTrue(MAPPER.readTree(reward).has("eval_reward"), reward);
    List<String> results =
        run(
                "lab",
                "exam",
                "--model",
                trained,
                "--network",
                at("grpo/best"),
                "--calibrate",
                "--count",
                "1",
                "--json")
            .lines()
            .toList();
    assertEquals(4 * 7, results.size());
    assertEquals(6, MAPPER.readTree(results.getLast()).get("problems").asInt());
    JsonNode config = MAPPER.readTree(Files.readString(folder.resolve("grpo/best/config.json")));
    assertTrue(config.has("auto_threshold"), config.toString());
  }

  /** It was found on other weights. */
  @Test
  void thresholdOfAutoIsNotTakenOver() throws IOException {
    Path network = TinyModels.calibrated(folder.resolve("network"), -1);
    for (boolean resume : new boolean[] {false, true}) {
      List<String> line =
          new ArrayList<>(
              List.of(
                  "train",
                  "sft",
                  "--model",
                  TinyModels.BASE.toString(),
                  "--network",
                  network.toString(),
                  "--lab",
                  "1",
                  "--out",
                  at("sft"),
                  "--steps",
                  "1",
                  "--batch",
                  "2",
                  "--eval",
                  "2"));
      if (resume) {
        line.add("--resume");
      }
      Run run = Run.of(line.toArray(String[]::new));
      assertEquals(0, run.status(), run.err());
      assertTrue(run.err().contains(network + ": its threshold of auto was found"), run.err());
      for (String saved : List.of("best", "last")) {
        JsonNode config = TinyModels.json(folder.resolve("sft").resolve(saved + "/config.json"));
        assertTrue(config.has("num_latent_tokens"), config.toString());
        assertFalse(config.has("auto_threshold"), config.toString());
        assertFalse(config.has("auto_confidence"), config.toString());
      }
    }
  }

  @Test
  void filesCanBeTrainedOn() throws IOException {
    Path file = folder.resolve("train.jsonl");
    Files.writeString(file, run("lab", "problems", "--count", "6", "--steps", "1"));
    String out =
        run(
            "train",
            "base",
            "--model",
            model(),
            "--data",
            file.toString(),
            "--out",
            at("out"),
            "--steps",
            "2",
            "--batch",
            "2",
            "--eval",
            "2",
            "--dtype",
            "f32",
            "--loss",
            "all");
    assertTrue(out.contains("eval_loss"), out);
    Run again = again(file);
    assertEquals(1, again.status());
    assertTrue(again.err().contains("expected an empty directory"), again.err());
    assertEquals("", again(file, "--resume").err());
    Files.delete(folder.resolve("out/metrics.jsonl"));
    Run resumed = again(file, "--resume");
    assertEquals(0, resumed.status(), resumed.err());
    assertTrue(
        resumed.err().startsWith("lrt: " + at("out/metrics.jsonl") + ": metrics of earlier steps"),
        resumed.err());
    Files.writeString(file, run("lab", "problems", "--count", "6", "--steps", "1", "--seed", "9"));
    Run others = again(file, "--resume");
    assertEquals(1, others.status());
    assertTrue(
        others
            .err()
            .matches(
                "(?s).*other settings: expected data_hash \\w+, eval_data_hash \\w+,"
                    + " found data_hash \\w+, eval_data_hash \\w+\\R"),
        others.err());
  }

  /** They decide which checkpoint is the best. */
  @Test
  void onlyTheSameHeldOutProblemsAreResumed() throws IOException {
    Path file = folder.resolve("train.jsonl");
    Path heldOut = folder.resolve("test.jsonl");
    Files.writeString(file, run("lab", "problems", "--count", "4", "--steps", "1"));
    Files.writeString(heldOut, run("lab", "problems", "--count", "3", "--steps", "1"));
    model();
    String[] resumed = {"--resume", "--eval-data", heldOut.toString()};
    assertEquals(0, again(file, "--eval-data", heldOut.toString()).status());
    assertEquals("", again(file, resumed).err());
    Files.writeString(
        heldOut, run("lab", "problems", "--count", "3", "--steps", "1", "--seed", "9"));
    Run others = again(file, resumed);
    assertEquals(1, others.status());
    assertTrue(
        others
            .err()
            .matches(
                "(?s).*other settings: expected eval_data_hash \\w+, found eval_data_hash \\w+\\R"),
        others.err());
  }

  private Run again(Path data, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of("train", "base", "--model", at("model"), "--data", data.toString()));
    arguments.addAll(
        List.of(
            "--out", at("out"), "--steps", "2", "--batch", "2", "--eval", "2", "--dtype", "f32"));
    arguments.addAll(List.of("--loss", "all"));
    return Run.of(with(arguments, more));
  }

  @Test
  void whatDecidesTheCourseOfARunIsTheSameWhenItIsResumed() throws IOException {
    Path file = folder.resolve("train.jsonl");
    Files.writeString(file, run("lab", "problems", "--count", "6", "--steps", "1"));
    model();
    assertEquals(0, again(file).status());
    refused(again(file, "--resume", "--dtype", "bf16"), "expected dtype bf16, found dtype f32");
    refused(again(file, "--resume", "--loss", "answer"), "expected loss answer, found loss all");
    refused(again(file, "--resume", "--lr", "1"), "expected peak=1.0, found peak=0.001\\d*");
    run("lab", "model", "--out", at("other/model"), "--seed", "7", "--vocabulary", "300");
    refused(
        again(file, "--resume", "--model", at("other/model")),
        "expected model_hash \\w+, found model_hash \\w+");

    for (String seed : new String[] {"1", "2"}) {
      String[] shape = {"--model", at("model"), "--layers", "1", "--latents", "3", "--seed", seed};
      run(with(List.of("init", "--network", "--out", at(seed + "/network")), shape));
    }
    assertEquals(0, rewarded().status());
    assertEquals("", rewarded("--resume").err());
    for (String other :
        List.of(
            "group 3",
            "temperature 0.5",
            "top-p 0.5",
            "kl 0.5",
            "clip-ratio 0.5",
            "inner-epochs 2",
            "max-tokens 2",
            "reward number")) {
      String[] option = other.split(" ");
      refused(
          rewarded("--resume", "--" + option[0], option[1]),
          "expected "
              + other.replace('-', '_')
              + ", found "
              + option[0].replace('-', '_')
              + " [0-9a-z.]+");
    }
    refused(
        rewarded("--resume", "--reference", at("2/network")),
        "expected reference_hash \\w+, found reference_hash \\w+");
    refused(
        rewarded("--resume", "--network", at("2/network")),
        "expected network_hash \\w+, reference_hash \\w+, found network_hash \\w+, reference_hash"
            + " \\w+");
  }

  private static void refused(Run run, String message) {
    assertEquals(1, run.status(), run.err());
    assertTrue(run.err().matches(".*a run with other settings: " + message + "\\R"), run.err());
  }

  private Run rewarded(String... more) {
    return Run.of(
        with(
            List.of(
                "train",
                "grpo",
                "--model",
                at("model"),
                "--network",
                at("1/network"),
                "--lab",
                "1",
                "--out",
                at("rewarded"),
                "--steps",
                "1",
                "--batch",
                "1",
                "--group",
                "2",
                "--eval",
                "1",
                "--max-tokens",
                "3"),
            more));
  }

  /** A command's arguments and more of them, which take the place of those of the same name. */
  private static String[] with(List<String> arguments, String... more) {
    List<String> all = new ArrayList<>(arguments);
    for (int i = 0; i < more.length; i++) {
      int at = more[i].startsWith("--") ? all.indexOf(more[i]) : -1;
      if (at < 0) {
        all.add(more[i]);
      } else {
        all.set(at + 1, more[++i]);
      }
    }
    return all.toArray(String[]::new);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "train; train needs base, sft or grpo, found nothing",
        "train dance; train needs base, sft or grpo, found dance",
        "train sft; train needs --model",
        "lab; lab needs problems, model or exam, found nothing",
        "lab problems --steps 0-3; --steps must be 1 to 12, or a range as 1-6, found 0-3",
        "lab model; lab model needs --out DIR",
        "init --network --model x --out y --latents 0; --latents must be",
      })
  void wrongUsage(String line, String message) {
    Run run = Run.of(line.split(" ", -1));
    assertEquals(2, run.status(), run.err());
    assertTrue(run.err().contains(message), run.err());
  }

  @Test
  void badDataIsNamed() throws IOException {
    Path file = folder.resolve("bad.jsonl");
    Files.writeString(file, "{\"question\":\"x\"}\n");
    Run run =
        Run.of(
            "train",
            "base",
            "--model",
            model(),
            "--data",
            file.toString(),
            "--out",
            at("out"),
            "--steps",
            "1");
    assertEquals(1, run.status());
    assertTrue(run.err().contains("bad.jsonl, line 1: expected a text \"answer\""), run.err());
  }
}
