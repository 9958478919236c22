package io.lrt4j.cli;

import static io.lrt4j.cli.TinyModels.BASE;
import static io.lrt4j.cli.TinyModels.NETWORK;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.compute.Backends;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes wrong with models, networks and backends: one line that says what and where. */
class FailureTest {
  @TempDir Path folder;

  private static void assertFails(String message, String... args) {
    Run run = Run.of(args);
    run.assertOneLine(message);
    assertEquals(1, run.status());
  }

  private static void assertAskFails(String message, Path model, String... more) {
    List<String> args = new ArrayList<>(List.of("ask", "x", "--model", model.toString()));
    args.addAll(List.of(more));
    assertFails(message, args.toArray(String[]::new));
  }

  @Test
  void damagedModel() throws IOException {
    Path bad = TinyModels.copy(BASE, folder.resolve("bad"));
    Path weights = bad.resolve("model.safetensors");
    try (var channel = FileChannel.open(weights, StandardOpenOption.WRITE)) {
      channel.truncate(100_000);
    }
    String message = weights + ": tensor \"";
    assertAskFails(message, bad);
    assertFails(message, "generate", "--ids", "1", "--model", bad.toString());
    assertFails(message, "score", "--ids", "1", "--model", bad.toString());
    assertFails(message, "inspect", bad.toString());
    Files.delete(weights);
    assertAskFails("expected model.safetensors or model.safetensors.index.json", bad);
    Files.writeString(bad.resolve("config.json"), "{\"a\": 1, \"a\": 2}");
    assertAskFails("config.json", bad);
  }

  @Test
  void modelThatIsNotRun() throws IOException {
    Path other = TinyModels.copy(BASE, folder.resolve("other"));
    Path config = other.resolve("config.json");
    Files.writeString(
        config, Files.readString(config).replace("Qwen3ForCausalLM", "MambaForCausalLM"));
    assertAskFails("MambaForCausalLM", other);
  }

  @Test
  void modelThatCannotBeAsked() throws IOException {
    Path mute = TinyModels.copy(BASE, folder.resolve("mute"));
    Files.delete(mute.resolve("chat_template.jinja"));
    assertAskFails("without a chat template", mute);
    Files.delete(mute.resolve("tokenizer.json"));
    assertAskFails("without a tokenizer", mute);
    assertFails(
        "has no tokenizer: use --ids", "generate", "--prompt", "x", "--model", mute.toString());
    assertFails(
        "has no tokenizer: use --ids", "score", "--prompt", "x", "--model", mute.toString());
  }

  @Test
  void networkThatIsMissingOrDoesNotFit() throws IOException {
    for (String mode : List.of("latent", "auto")) {
      assertAskFails(mode + " mode needs a reasoning network", BASE, "--mode", mode);
    }
    Path narrow = TinyModels.forNarrowerBase(folder.resolve("narrow"));
    assertEquals(0, Run.of("inspect", narrow.toString()).status()); // sound, for another base
    assertAskFails("hidden size 32, but " + BASE, BASE, "--network", narrow.toString());
    assertAskFails("found a base model's config", BASE, "--network", BASE.toString());
    assertAskFails("found a reasoning network", NETWORK);
  }

  @Test
  void autoWithoutThreshold() {
    assertAskFails(
        "config.json has no auto_threshold",
        BASE,
        "--network",
        NETWORK.toString(),
        "--mode",
        "auto");
  }

  @Test
  void questionThatDoesNotFit() {
    assertFails(
        "the question is too long: at most 1007 tokens fit",
        "ask",
        "x".repeat(3000),
        "--model",
        BASE.toString());
    for (String command : List.of("generate", "score")) {
      assertFails(
          "token ids must be 0 to 383, the model's vocabulary, found 384",
          command,
          "--ids",
          "1,384",
          "--model",
          BASE.toString());
    }
  }

  @Test
  void backendThatIsNotThere() {
    assertAskFails("backend cuda is not available", BASE, "--device", "cuda");
    assertAskFails("backend cuda is not available", BASE, "--backend", "cuda");
  }

  @Test
  void cpuIsTheBestBackendThatIsNoGpu() {
    var cuda = new Backends.Status("cuda", true, "");
    var vector = new Backends.Status("vector", true, "");
    var noVector = new Backends.Status("vector", false, "");
    var scalar = new Backends.Status("scalar", true, "");
    assertEquals("vector", CommonOptions.backend("cpu", List.of(cuda, vector, scalar)));
    assertEquals("scalar", CommonOptions.backend("cpu", List.of(cuda, noVector, scalar)));
    assertEquals("cuda", CommonOptions.backend("cuda", List.of(vector, scalar)));
    assertEquals("auto", CommonOptions.backend("auto", List.of(cuda, vector, scalar)));
  }
}
