package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every study from end to end, on a model that knows nothing. */
class StudyCommandTest {
  @TempDir Path folder;

  private Run study(String what, Path network, String... more) throws IOException {
    Path data = folder.resolve("sums.jsonl");
    Files.write(
        data,
        List.of(
            "{\"question\":\"What is 1+1?\",\"answer\":2}",
            "{\"question\":\"What is 2+2?\",\"answer\":4}"));
    List<String> line =
        new ArrayList<>(
            List.of(
                "study",
                what,
                "--data",
                data.toString(),
                "--model",
                TinyModels.BASE.toString(),
                "--network",
                network.toString(),
                "--budget",
                "12"));
    if (!List.of(more).contains("--out")) {
      line.addAll(List.of("--out", folder.resolve(what).toString()));
    }
    line.addAll(List.of(more));
    return Run.of(line.toArray(String[]::new));
  }

  private String report(String what, Run run) throws IOException {
    assertEquals(0, run.status(), run.err());
    return Files.readString(folder.resolve(what).resolve("report.md"));
  }

  @Test
  void redundancy() throws IOException {
    String text = report("redundancy", study("redundancy", TinyModels.NETWORK));
    assertTrue(text.contains("| tokens 0/12 | 0.0 |"), text);
    assertTrue(text.contains("| steps 90/12 | 90.0 |"), text);
    assertEquals(40, Files.readAllLines(folder.resolve("redundancy/answers.jsonl")).size());
  }

  @Test
  void hybridWritesItsThreshold() throws IOException {
    Path network = TinyModels.copy(TinyModels.NETWORK, folder.resolve("network"));
    report("hybrid", study("hybrid", network, "--write-threshold"));
    assertTrue(TinyModels.json(network.resolve("config.json")).has("auto_threshold"));
    Run resumed = study("hybrid", network, "--resume");
    assertEquals(0, resumed.status(), resumed.err());
  }

  @Test
  void severalNetworks() throws IOException {
    Path other = TinyModels.copy(TinyModels.NETWORK, folder.resolve("other"));
    String networks = "sft=" + TinyModels.NETWORK + ",grpo=" + other;
    Map.of("latents", "| grpo/12 | 8.0 |", "depth", "| grpo/12 | 2.0 |", "stages", "| grpo/12 |")
        .forEach(
            (what, row) -> {
              String text =
                  assertDoesNotThrow(
                      () -> report(what, study(what, TinyModels.NETWORK, "--networks", networks)));
              assertTrue(text.contains(row), text);
            });
  }

  @Test
  void efficiency() throws IOException {
    String text = report("efficiency", study("efficiency", TinyModels.NETWORK));
    assertTrue(text.contains("| mode/budget | first token, ms |"), text);
  }

  /** What it measures is another with other threads, or with questions that were read before. */
  @Test
  void efficiencyIsOfOneMachineryAndOfQuestionsReadAnew() throws IOException {
    Path file = folder.resolve("recording.jfr");
    try (var recording = new Recording()) {
      recording.enable("io.lrt4j.Encode").withoutThreshold();
      recording.setDestination(file);
      recording.start();
      report("efficiency", study("efficiency", TinyModels.NETWORK, "--threads", "1"));
    }
    List<RecordedEvent> read =
        RecordingFile.readAllEvents(file).stream().filter(e -> e.hasField("cached")).toList();
    assertTrue(read.size() >= 6, read.toString());
    for (RecordedEvent event : read) {
      assertEquals(0, event.getInt("cached"), event.toString());
    }
    for (String[] other :
        new String[][] {
          {"--threads", "2", "threads", "1"},
          {"--batch", "2", "batch", "1"},
          {"--prompt-lookup", "off", "prompt_lookup", "auto"}
        }) {
      List<String> more = new ArrayList<>(List.of("--resume", other[0], other[1]));
      if (!other[0].equals("--threads")) {
        more.addAll(List.of("--threads", "1"));
      }
      refused(
          study("efficiency", TinyModels.NETWORK, more.toArray(String[]::new)),
          "expected {\"%s\":\"%s\"}, found {\"%s\":\"%s\"}"
              .formatted(other[2], other[3], other[2], other[1]));
    }
  }

  private static void refused(Run run, String message) {
    assertEquals(1, run.status(), run.out());
    assertTrue(run.err().contains(message), run.err());
  }

  /** Trained on meanwhile, say. */
  @Test
  void otherWeightsOfTheSameNameAreNotGoneOnWith() throws IOException {
    Path network = TinyModels.copy(TinyModels.NETWORK, folder.resolve("network"));
    String networks = "sft=" + TinyModels.NETWORK + ",grpo=" + network;
    report("stages", study("stages", network, "--networks", networks));
    report("hybrid", study("hybrid", network));
    Path weights = network.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 1] ^= 1;
    Files.write(weights, bytes);
    refused(
        study("stages", network, "--networks", networks, "--resume"),
        "expected {\"network_hash\":\"{sft=");
    refused(study("hybrid", network, "--resume"), "expected {\"network_hash\":\"");
  }

  /** Answers of two thresholds are not mixed, and a study goes on with the modes it began with. */
  @Test
  void autoIsOfOneThreshold() throws IOException {
    Path network = TinyModels.calibrated(folder.resolve("network"), -1);
    assertTrue(report("budgets", study("budgets", network)).contains("| auto/32 |"));
    Path config = network.resolve("config.json");
    String calibrated = Files.readString(config);
    Files.writeString(
        config, calibrated.replace("\"auto_threshold\":-1.0", "\"auto_threshold\":-2.0"));
    refused(
        study("budgets", network, "--resume"),
        "expected {\"auto_threshold\":\"mean_logprob -1.0\"}, found"
            + " {\"auto_threshold\":\"mean_logprob -2.0\"}");

    Files.copy(
        TinyModels.NETWORK.resolve("config.json"), config, StandardCopyOption.REPLACE_EXISTING);
    String[] again = {"--out", folder.resolve("uncalibrated").toString(), "--resume"};
    Run begun = study("budgets", network, again);
    assertEquals(0, begun.status(), begun.err());
    Files.writeString(config, calibrated);
    assertEquals(begun.out(), study("budgets", network, again).out());
  }

  @Test
  void everyStudyInOneReport() throws IOException {
    Path data = folder.resolve("groups.jsonl");
    Files.write(
        data,
        List.of(
            "{\"question\":\"What is 1+1?\",\"answer\":2,\"steps\":1}",
            "{\"question\":\"What is 2+2?\",\"answer\":4,\"steps\":1}",
            "{\"question\":\"What is 1+1+1?\",\"answer\":3,\"steps\":2}",
            "{\"question\":\"What is 2+2+2?\",\"answer\":6,\"steps\":2}"));
    String networks = "a=" + TinyModels.NETWORK + ",b=" + TinyModels.NETWORK;
    String[] line = {
      "study",
      "all",
      "--data",
      data.toString(),
      "--out",
      folder.resolve("all").toString(),
      "--model",
      TinyModels.BASE.toString(),
      "--network",
      TinyModels.NETWORK.toString(),
      "--budget",
      "8",
      "--budgets",
      "4,8",
      "--samples",
      "2",
      "--networks",
      networks,
      "--depths",
      networks,
      "--stages",
      networks
    };
    Run run = Run.of(line);
    String text = report("all", run);
    for (String title :
        List.of(
            "Token budgets",
            "Accuracy",
            "Redundancy of written thinking",
            "Hybrid reasoning",
            "Efficiency",
            "Number of latents",
            "Depth of the network",
            "Stages of training",
            "Geometry of latents")) {
      assertTrue(text.contains("\n## " + title + "\n"), title + " in " + text);
    }
    assertTrue(text.contains("| agreement |"), text);
    assertTrue(text.contains("| data set | questions | steps 1 | steps 2 |"), text);
    List<String> resume = new ArrayList<>(List.of(line));
    resume.add("--resume");
    Run again = Run.of(resume.toArray(String[]::new));
    assertEquals(0, again.status(), again.err());
    assertEquals(run.out(), again.out());
  }

  @Test
  void geometry() throws IOException {
    Path other = folder.resolve("others.jsonl");
    Files.write(
        other,
        List.of(
            "{\"question\":\"What is 1+1?\",\"answer\":2}",
            "{\"question\":\"Who wrote Faust?\",\"answer\":\"Goethe\"}"));
    Run run = study("geometry", TinyModels.NETWORK, "--data", other.toString(), "--json");
    String text = report("geometry", run);
    assertTrue(text.contains("| data set | questions | sums | others |"), text);
    double cosine = new ObjectMapper().readTree(run.out()).findValue("cosine").asDouble();
    assertTrue(cosine > -1 && cosine < 1, run.out());
    assertEquals(2, study("geometry", TinyModels.NETWORK).status());
    assertEquals(2, study("hybrid", TinyModels.NETWORK, "--data", "x").status());
  }

  @Test
  void wrongUsage() throws IOException {
    Run run = Run.of("study", "dance");
    assertEquals(2, run.status());
    assertTrue(run.err().contains("study needs redundancy, latents"), run.err());
    run = study("stages", TinyModels.NETWORK, "--networks", "a=x");
    assertTrue(run.err().contains("--networks x does not exist"), run.err());
  }
}
