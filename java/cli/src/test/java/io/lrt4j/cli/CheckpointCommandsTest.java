package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.StoredTensor;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that need a checkpoint but no engine: init, inspect, and the dump of score. */
class CheckpointCommandsTest {
  @TempDir Path folder;

  private Path init(String name, String... more) {
    Path out = folder.resolve(name);
    String[] args = new String[more.length + 3];
    args[0] = "init";
    args[1] = "--out";
    args[2] = out.toString();
    System.arraycopy(more, 0, args, 3, more.length);
    Run run = Run.of(args);
    assertEquals(0, run.status(), run.err());
    assertTrue(run.out().startsWith(out + "\n"), run.out());
    return out;
  }

  @Test
  void seedDecidesTheWeights() throws IOException {
    Path one = init("one", "--preset", "tiny").resolve("model.safetensors");
    Path same = init("same", "--preset", "tiny", "--seed", "0").resolve("model.safetensors");
    Path other = init("other", "--preset", "tiny", "--seed", "1").resolve("model.safetensors");
    assertEquals(-1, Files.mismatch(one, same));
    assertTrue(Files.mismatch(one, other) >= 0);
  }

  /** Each kind to its own type; inspect says which, and the result runs. */
  @Test
  void quantizeByKind() throws IOException {
    Path tiny = init("tiny", "--preset", "tiny");
    String out = folder.resolve("out").toString();
    Run run =
        Run.of(
            "quantize",
            "--model",
            tiny.toString(),
            "--out",
            out,
            "--to",
            "q4",
            "--head",
            "q8",
            "--embedding",
            "q8",
            "--network",
            "none");
    assertEquals(0, run.status(), run.err());
    assertTrue(run.err().contains(" to q4, head q8, embedding q8, network none."), run.err());
    JsonNode config =
        new ObjectMapper().readTree(Run.of("inspect", out, "--json").out()).get("config");
    assertEquals("q4", config.get("rounded").asText());
    assertEquals("q8", config.get("rounded_head").asText());
    assertEquals("q8", config.get("rounded_embedding").asText());
    assertTrue(config.get("tie_word_embeddings").asBoolean());
    Run stored = Run.of("generate", "--model", out, "--ids", "1,2,3", "--max-tokens", "4");
    assertEquals(0, stored.status(), stored.err());
    Run atLoad =
        Run.of(
            "generate",
            "--model",
            tiny.toString(),
            "--ids",
            "1,2,3",
            "--max-tokens",
            "4",
            "--quantize",
            "q4",
            "--quantize-head",
            "q8",
            "--quantize-embedding",
            "q8");
    assertEquals(atLoad.out(), stored.out());
    Run wrong = Run.of("quantize", "--model", out, "--out", out, "--embedding", "bf16");
    assertEquals(2, wrong.status());
    assertTrue(wrong.err().contains("--embedding must be one of none, q8, q4, found bf16"));
  }

  @Test
  void inspectAModel() throws IOException {
    Path tiny = init("tiny", "--preset", "tiny");
    Run text = Run.of("inspect", tiny.toString());
    assertEquals(0, text.status());
    assertEquals("", text.err());
    assertTrue(text.out().startsWith(tiny + ": base model, "), text.out());
    assertTrue(text.out().contains("architecture             Qwen3ForCausalLM"), text.out());
    assertTrue(text.out().contains("model.embed_tokens.weight"), text.out());
    assertEquals(text, Run.of("inspect", "--model", tiny.toString()));
    Run byDefault = Run.of("inspect");
    assertEquals(1, byDefault.status());
    assertTrue(byDefault.err().startsWith("lrt: the default model is not here"), byDefault.err());

    JsonNode json = new ObjectMapper().readTree(Run.of("inspect", tiny.toString(), "--json").out());
    assertEquals("model", json.get("kind").asText());
    assertEquals(512, json.get("config").get("vocab_size").asInt());
    long bytes = 0;
    for (JsonNode tensor : json.get("tensors")) {
      assertEquals("BF16", tensor.get("dtype").asText());
      bytes += tensor.get("bytes").asLong();
    }
    assertEquals(json.get("bytes").asLong(), bytes);
    assertEquals(2 * json.get("parameters").asLong(), bytes);
    assertTrue(json.get("backends").toString().contains("scalar"));
  }

  @Test
  void networkWithAPresetAndForAModel() throws IOException {
    Path both = init("both", "--preset", "tiny", "--network", "--latents", "5", "--layers", "1");
    Path later =
        init("later", "--network", "--model", both.toString(), "--latents", "5", "--layers", "1");
    assertEquals(
        -1,
        Files.mismatch(
            both.resolve("network/model.safetensors"), later.resolve("model.safetensors")));
    JsonNode json =
        new ObjectMapper().readTree(Run.of("inspect", later.toString(), "--json").out());
    assertEquals("network", json.get("kind").asText());
    assertEquals(5, json.get("config").get("num_latent_tokens").asInt());
    assertEquals("append", json.get("config").get("fusion").asText());
    assertTrue(Run.of("inspect", later.toString()).out().contains("reasoning network"));
  }

  /** The base goes with the network that it is to have, and is whole after it. */
  @Test
  void aPairThatFailsIsRemoved() throws IOException {
    Path tiny = init("tiny", "--preset", "tiny");
    Files.writeString(tiny.resolve("config.json"), "{}"); // no backbone
    Path out = folder.resolve("pair");
    for (boolean there : new boolean[] {false, true}) {
      if (there) {
        Files.createDirectory(out);
      }
      Run failed =
          Run.of(
              "init",
              "--preset",
              "tiny",
              "--network",
              "--backbone",
              tiny.toString(),
              "--out",
              out.toString());
      assertEquals(1, failed.status(), failed.err());
      assertTrue(failed.err().startsWith("lrt: " + tiny), failed.err());
      assertEquals(there, Files.exists(out));
    }
    assertEquals(out, init("pair", "--preset", "tiny", "--network")); // which is empty again
    assertTrue(
        Files.getLastModifiedTime(out.resolve("network/config.json"))
                .compareTo(Files.getLastModifiedTime(out.resolve("config.json")))
            <= 0);
  }

  @Test
  void initAsJson() throws IOException {
    Path out = folder.resolve("x");
    Run run = Run.of("init", "--preset", "tiny", "--out", out.toString(), "--json");
    JsonNode json = new ObjectMapper().readTree(run.out());
    assertEquals(out.toString(), json.get("written").get(0).asText());
    assertEquals("", run.err());
  }

  @Test
  void dumpHoldsEveryRow() throws IOException {
    // More than one chunk of 4 MiB, whose border is inside a row.
    float[][] rows = new float[13][100_003];
    for (int i = 0; i < rows.length; i++) {
      for (int j = 0; j < rows[i].length; j++) {
        rows[i][j] = i + j / 131072f;
      }
    }
    Path file = folder.resolve("dump.safetensors");
    SafetensorsWriter.write(file, Map.of(), List.of(ScoreCommand.entry("logits", rows)));
    try (var dump = Safetensors.open(file)) {
      StoredTensor logits = Objects.requireNonNull(dump.find("logits"));
      assertEquals(List.of(13L, 100_003L), logits.shape());
      assertEquals("F32", logits.storedType());
      float[] all =
          logits
              .data()
              .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
      for (int i = 0; i < rows.length; i++) {
        assertArrayEquals(
            rows[i], java.util.Arrays.copyOfRange(all, i * 100_003, (i + 1) * 100_003));
      }
    }
  }

  @Test
  void totalsLeaveOutTheFirstToken() {
    float[] logprobs = {Float.NaN, -1, -3};
    assertEquals(-4, ScoreCommand.total(logprobs));
    assertEquals(-2, ScoreCommand.mean(logprobs));
    assertTrue(Double.isNaN(ScoreCommand.mean(new float[] {Float.NaN})));
  }
}
