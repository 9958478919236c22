package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
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

class EvalCommandTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  @TempDir Path folder;

  private String data() throws IOException {
    return Files.write(
            folder.resolve("sums.jsonl"),
            List.of(
                "{\"question\":\"What is 1+1?\",\"answer\":2}",
                "{\"question\":\"What is 2+2?\",\"answer\":4}"))
        .toString();
  }

  private Run eval(String out, String... more) throws IOException {
    List<String> line =
        new ArrayList<>(
            List.of(
                "eval",
                "--data",
                data(),
                "--out",
                folder.resolve(out).toString(),
                "--budgets",
                "4,6"));
    if (!List.of(more).contains("--model")) {
      line.addAll(List.of("--model", TinyModels.BASE.toString()));
    }
    if (!List.of(more).contains("--network")) {
      line.addAll(List.of("--network", TinyModels.NETWORK.toString()));
    }
    line.addAll(List.of(more));
    return Run.of(line.toArray(String[]::new));
  }

  @Test
  void everyModeAtEveryBudget() throws IOException {
    Run run = eval("a", "--json");
    assertEquals(0, run.status(), run.err());
    JsonNode summary = MAPPER.readTree(run.out());
    assertEquals(summary, MAPPER.readTree(folder.resolve("a/summary.json").toFile()));
    assertEquals(
        "[latent/4, latent/6, direct/4, direct/6, explicit/4, explicit/6]",
        summary.findValuesAsText("cell").toString());
    assertEquals(12, Files.readAllLines(folder.resolve("a/answers.jsonl")).size());

    Run again = eval("a");
    assertEquals(1, again.status());
    assertTrue(again.err().contains("--resume goes on with it"), again.err());
    Run resumed = eval("a", "--resume");
    assertEquals(0, resumed.status(), resumed.err());
    assertTrue(resumed.out().contains("explicit/6"), resumed.out());

    Run graded = eval("a", "--resume", "--grader", "text");
    assertEquals(1, graded.status(), "answers are kept as they were graded");
    assertTrue(
        graded.err().contains("another setting: expected {\"questions_hash\":"), graded.err());

    Run rounded = eval("a", "--resume", "--quantize", "q4");
    assertEquals(1, rounded.status(), "answers of other weights are not mixed in");
    assertTrue(
        rounded.err().contains("expected {\"quantize\":\"none\"}, found {\"quantize\":\"q4\"}"),
        rounded.err());
    for (String[] other :
        new String[][] {
          {"--quantize-head", "q8"},
          {"--quantize-network", "q8"},
          {"--quantize-embedding", "q8"},
          {"--cache-type", "q8"}
        }) {
      Run mixed = eval("a", "--resume", other[0], other[1]);
      assertEquals(1, mixed.status(), other[0]);
      assertTrue(mixed.err().contains("another setting: expected"), mixed.err());
    }

    String file = folder.resolve("a/summary.json").toString();
    Run compared = Run.of("eval", "--compare", file, file);
    assertEquals(0, compared.status(), compared.err());
    assertTrue(compared.out().startsWith("latent/4 - latent/4: +0.00 points"), compared.out());
  }

  private static void refused(Run run, String message) {
    assertEquals(1, run.status(), run.out());
    assertTrue(run.err().contains(message), run.err());
  }

  /** Trained on meanwhile, say. */
  @Test
  void otherWeightsOfTheSameNameAreNotGoneOnWith() throws IOException {
    for (String what : List.of("model", "network")) {
      Path base = TinyModels.copy(TinyModels.BASE, folder.resolve(what + "/base"));
      Path network = TinyModels.copy(TinyModels.NETWORK, folder.resolve(what + "/network"));
      String[] again = {
        "--model", base.toString(), "--network", network.toString(), "--modes", "latent", "--resume"
      };
      Run begun = eval(what + "/out", again);
      assertEquals(0, begun.status(), begun.err());
      Path weights = (what.equals("model") ? base : network).resolve("model.safetensors");
      byte[] bytes = Files.readAllBytes(weights);
      bytes[bytes.length - 1] ^= 1;
      Files.write(weights, bytes);
      refused(eval(what + "/out", again), "expected {\"" + what + "_hash\":\"");
      bytes[bytes.length - 1] ^= 1;
      Files.write(weights, bytes);

      Path setting = folder.resolve(what + "/out/setting.json");
      String whole = Files.readString(setting);
      Files.writeString(setting, whole.replaceAll("\"\\w+_hash\":\"\\w+\",", ""));
      Run earlier = eval(what + "/out", again);
      assertEquals(begun.out(), earlier.out(), "begun before that was written down");
      assertEquals(whole, Files.readString(setting), "it is now");
    }
  }

  /** It decides the answers of auto, and of no other mode. */
  @Test
  void autoIsOfOneThreshold() throws IOException {
    Path network = TinyModels.copy(TinyModels.NETWORK, folder.resolve("network"));
    Run begun = eval("a", "--network", network.toString(), "--modes", "latent");
    assertEquals(0, begun.status(), begun.err());
    Path calibrated = TinyModels.calibrated(folder.resolve("calibrated"), -1);
    Path config = network.resolve("config.json");
    String text = Files.readString(calibrated.resolve("config.json"));
    Files.writeString(config, text);
    String[] again = {"--network", network.toString(), "--resume", "--modes", "latent,auto"};
    Run both = eval("a", again);
    assertEquals(0, both.status(), both.err());
    assertTrue(both.out().contains("auto/6"), both.out());

    Files.writeString(config, text.replace("\"auto_threshold\":-1.0", "\"auto_threshold\":-2.0"));
    refused(
        eval("a", again),
        "expected {\"auto_threshold\":\"mean_logprob -1.0\"}, found"
            + " {\"auto_threshold\":\"mean_logprob -2.0\"}");
    again[again.length - 1] = "latent";
    Run alone = eval("a", again);
    assertEquals(0, alone.status(), alone.err());
  }

  @Test
  void answersOfAnotherProgram() throws IOException {
    Path answers = folder.resolve("answers.jsonl");
    Files.write(answers, List.of("{\"id\":\"1\",\"text\":\"2\"}", "{\"id\":\"2\",\"text\":\"5\"}"));
    Run run = eval("b", "--grade", answers.toString(), "--json");
    assertEquals(0, run.status(), run.err());
    assertEquals(0.5, MAPPER.readTree(run.out()).findValue("pass_at1").asDouble(), run.out());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "eval; eval needs --data",
        "eval x; unexpected argument \"x\"",
        "eval --compare x; --compare needs two files",
      })
  void wrongUsage(String line, String message) {
    Run run = Run.of(line.split(" ", -1));
    assertEquals(2, run.status(), run.err());
    assertTrue(run.err().contains(message), run.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "--modes; latent,dance; --modes must be of auto, latent",
        "--budgets; 5,1; --budgets must be whole numbers of at least 2",
      })
  void wrongValues(String option, String value, String message) throws IOException {
    Run run =
        Run.of("eval", "--data", data(), "--out", folder.resolve("c").toString(), option, value);
    assertEquals(2, run.status(), run.err());
    assertTrue(run.err().contains(message), run.err());
  }

  @Test
  void failures() throws IOException {
    Run run = Run.of("eval", "--data", "none.jsonl", "--out", folder.toString());
    assertEquals(1, run.status());
    assertTrue(run.err().contains("none.jsonl: expected a JSONL file"), run.err());
    run = Run.of("eval", "--compare", data(), data());
    assertEquals(1, run.status());
    assertTrue(run.err().contains("expected the summary.json"), run.err());
  }
}
