package io.lrt4j.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.EngineOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lrt bench} at sizes that take no time: that it measures, not what. */
class BenchCommandTest {
  private static final String[] SMALL = {"--prompt", "8", "--tokens", "4", "--after", "8"};
  private static final List<String> JOB =
      List.of("encode_ms", "reason_ms", "prefill_ms", "first_token_ms", "decode_ms", "total_ms");

  @TempDir Path folder;

  /** With sizes that take no time, in the launcher's folder. */
  private static Run bench(boolean terminal, String... more) {
    List<String> args = new ArrayList<>(List.of("bench"));
    args.addAll(List.of(SMALL));
    args.addAll(List.of(more));
    var out = new ByteArrayOutputStream();
    var err = new ByteArrayOutputStream();
    var console =
        new Console(
            InputStream.nullInputStream(),
            new PrintStream(out, false, UTF_8),
            new PrintStream(err, false, UTF_8),
            false,
            false,
            terminal,
            Path.of("../.."));
    int status = Lrt.run(args.toArray(String[]::new), console);
    return new Run(status, out.toString(UTF_8), err.toString(UTF_8));
  }

  private static JsonNode json(String... more) throws IOException {
    String[] withJson = Arrays.copyOf(more, more.length + 1);
    withJson[more.length] = "--json";
    Run run = bench(false, withJson);
    assertEquals(0, run.status(), run.err());
    return new ObjectMapper().readTree(run.out());
  }

  private Path tiny(String... more) {
    Path out = folder.resolve("tiny");
    List<String> args = new ArrayList<>(List.of("init", "--preset", "tiny"));
    args.addAll(List.of("--out", out.toString()));
    args.addAll(List.of(more));
    Run run = Run.of(args.toArray(String[]::new));
    assertEquals(0, run.status(), run.err());
    return out;
  }

  /** A median between the smallest and the largest of so many. */
  private static void assertMeasured(JsonNode number, int repetitions) {
    double median = number.path("median").asDouble();
    assertTrue(median > 0, number.toString());
    assertTrue(number.get("smallest").asDouble() <= median, number.toString());
    assertTrue(number.get("largest").asDouble() >= median, number.toString());
    assertEquals(repetitions, number.get("repetitions").size());
  }

  @Test
  void defaultModelAsText() {
    Run run = bench(false, "--repetitions", "1");
    assertEquals(0, run.status(), run.err());
    assertEquals("", run.err());
    for (String line :
        List.of(
            "processor  \\S.*, \\d+ processors",
            "backend    \\w+: .*",
            "load, ms +[\\d.]+",
            "prefill of 8, tokens/s +[\\d.]+",
            "decode after 8, tokens/s +[\\d.]+",
            " +a step, p99, ms +[\\d.]+",
            " +weights read, MB +1\\.\\d\\d",
            "latent: encode 128, ms +[\\d.]+",
            " +reason, 8 latents, ms +[\\d.]+",
            " +decode 4, ms +[\\d.]+",
            " +total, ms +[\\d.]+")) {
      assertTrue(run.out().lines().anyMatch(found -> found.matches(line)), line + run.out());
    }
    assertFalse(run.out().contains("median"), "there is one of each");
  }

  @Test
  void defaultModelAsJson() throws IOException {
    Path file = folder.resolve("result.json");
    JsonNode json = json("--repetitions", "3", "--seed", "7", "--out", file.toString());
    assertEquals(json, TinyModels.json(file));
    assertTrue(json.at("/machine/processors").asInt() >= 1);
    assertFalse(json.at("/machine/java").asText().isEmpty());
    assertFalse(json.at("/machine/processor").asText().isEmpty());
    assertEquals(7, json.at("/settings/seed").asInt());
    assertEquals(1, json.get("results").size());
    JsonNode result = json.at("/results/0");
    assertFalse(result.get("backend_description").asText().isEmpty());
    assertEquals("none", result.get("quantize").asText());
    assertEquals("f32", result.get("cache_type").asText());
    assertMeasured(result.get("load_ms"), 3);
    assertMeasured(result.at("/prefill_tokens_per_second/8"), 3);
    assertMeasured(result.get("decode_tokens_per_second"), 3);
    JsonNode step = result.get("decode_step_ms");
    assertEquals(3 * 4, step.get("steps").asInt());
    assertTrue(step.get("p50").asDouble() > 0);
    assertTrue(step.get("p90").asDouble() >= step.get("p50").asDouble());
    assertTrue(step.get("p99").asDouble() >= step.get("p90").asDouble());
    // 4 layers of 2 heads of 32, keys and values, f32; 8 positions before, 2 of 4 steps on average
    assertEquals(4 * 2 * 32 * 2 * 4 * (8 + 2), result.get("cache_bytes_per_token").asInt());
    double bytes = result.get("weight_bytes_per_token").asDouble() + 4 * 2 * 32 * 2 * 4 * (8 + 2);
    assertEquals(
        bytes * result.at("/decode_tokens_per_second/median").asDouble() * 1e-9,
        result.get("decode_gigabytes_per_second").asDouble(),
        1e-6);
    JsonNode job = result.get("latent_job");
    assertEquals(128, job.get("question_tokens").asInt());
    assertEquals(8, job.get("latents").asInt());
    assertEquals(4, job.get("answer_tokens").asInt());
    JOB.forEach(part -> assertMeasured(job.get(part), 3));
  }

  /** As with a model that no cache holds: what decoding reads is a share of what memory gives. */
  @Test
  void memoryBesideDecoding() {
    Path tiny = tiny();
    var options = EngineOptions.defaults().withBackend("vector").withThreads(1);
    var sizes = new BenchSizes(List.of(), 8, 4, 0, 4);
    try (var memory = new BenchMemory(1, 16);
        var subject = new BenchSubject(tiny, options, sizes, 1, memory, false)) {
      subject.load();
      subject.load();
      subject.open();
      for (int i = 0; i < 3; i++) { // the first does not count
        subject.run();
      }
      JsonNode json = subject.json();
      assertMeasured(json.get("memory_gigabytes_per_second"), 2);
      assertMeasured(json.get("share_of_memory"), 2);
      assertTrue(json.at("/share_of_memory/largest").asDouble() <= 1, json.toString());
      var out = new ByteArrayOutputStream();
      new BenchTable(sizes, List.of(subject)).print(new PrintStream(out, true, UTF_8));
      String table = out.toString(UTF_8);
      assertTrue(table.contains("\n  memory beside it, GB/s "), table);
      assertTrue(table.contains("\n  of what memory gives "), table);
    }
    assertFalse(bench(false, "--repetitions", "1").out().contains("memory beside it"));
  }

  @Test
  void settingsSideBySide() throws IOException {
    Path tiny = tiny();
    JsonNode json =
        json(
            "--model",
            tiny.toString(),
            "--backend",
            "scalar,cuda,vector",
            "--quantize",
            "none,q8,none",
            "--threads",
            "2",
            "--cache-type",
            "f32",
            "--repetitions",
            "2");
    List<String> found = new ArrayList<>();
    for (JsonNode result : json.get("results")) {
      if (!result.get("backend").asText().equals("cuda")) { // where there is one, it does f32
        found.add(
            result.get("quantize").asText()
                + " "
                + result.get("backend").asText()
                + " "
                + result.get("threads").asInt());
      }
      assertEquals("f32", result.get("cache_type").asText());
      assertMeasured(result.get("decode_tokens_per_second"), 2);
    }
    assertEquals(List.of("none scalar 2", "none vector 2", "q8 scalar 2", "q8 vector 2"), found);
  }

  @Test
  void headOfItsOwn() throws IOException {
    String tiny = tiny().toString();
    String[] rounded = {"--model", tiny, "--backend", "scalar", "--quantize", "q8"};
    JsonNode all = json(join(rounded, "--repetitions", "1")).at("/results/0");
    JsonNode layers =
        json(join(rounded, "--repetitions", "1", "--quantize-head", "none")).at("/results/0");
    assertEquals("q8", all.get("quantize_head").asText());
    assertEquals("none", layers.get("quantize_head").asText());
    assertEquals("q8", layers.get("quantize_network").asText());
    assertEquals("none", layers.get("quantize_embedding").asText());
    assertTrue(
        layers.get("weight_bytes_per_token").asLong() > all.get("weight_bytes_per_token").asLong());
  }

  @Test
  void weightsOfTheirOwnAreNamed() {
    String[] sizes = {"--model", tiny().toString(), "--repetitions", "1", "--quantize", "none,q4"};
    Run run =
        bench(
            false,
            join(
                join(sizes, "--backend", "scalar", "--threads", "1,2"),
                "--quantize-head",
                "q4",
                "--quantize-network",
                "bf16",
                "--quantize-embedding",
                "q8"));
    assertEquals(0, run.status(), run.err());
    for (String name :
        List.of(
            "scalar, head q4, network bf16, embedding q8, 1 thread",
            "scalar, head q4, network bf16, embedding q8, 2 threads",
            "scalar q4, network bf16, embedding q8, 1 thread",
            "scalar q4, network bf16, embedding q8, 2 threads")) {
      assertTrue(
          run.out().lines().anyMatch(line -> List.of(line.strip().split(" {2,}")).contains(name)),
          name + " in " + run.out());
    }
  }

  private static String[] join(String[] some, String... more) {
    return Stream.concat(Arrays.stream(some), Arrays.stream(more)).toArray(String[]::new);
  }

  @Test
  void columnsThatFitAndWhatIsLeftOut() {
    Path tiny = tiny();
    Run run =
        bench(
            false,
            "--model",
            tiny.toString(),
            "--backend",
            "cuda,vector",
            "--quantize",
            "q8,q4",
            "--threads",
            "1,2",
            "--repetitions",
            "2");
    assertEquals(0, run.status(), run.err());
    // It does not quantise, if it is there at all.
    assertEquals(4, run.err().lines().count(), run.err());
    assertTrue(
        run.err().lines().allMatch(l -> l.matches("cuda q[48], [12] threads? is left out: .*")));
    assertTrue(run.out().contains("medians    of 2 (smallest-largest)"), run.out());
    for (String name :
        List.of("vector q8, 1 thread", "vector q8, 2 threads", "vector q4, 1 thread")) {
      assertEquals(2, run.out().split(name + "(?!s)", -1).length, name + " in " + run.out());
    }
    int table = run.out().indexOf("\n\n");
    assertTrue(run.out().substring(table).lines().allMatch(l -> l.length() <= 100), run.out());
    assertTrue(
        run.out().substring(table).lines().filter(l -> l.startsWith("load, ms")).count() > 1);
  }

  @Test
  void nothingThatTheBackendsCan() {
    Path tiny = tiny();
    Run run = bench(false, "--model", tiny.toString(), "--backend", "cuda", "--quantize", "q8,q4");
    assertEquals(1, run.status());
    assertEquals("", run.out());
    assertTrue(run.err().startsWith("cuda q8 is left out: "), run.err());
    assertEquals(2, run.err().lines().count(), run.err());
  }

  @Test
  void withoutNetworkAndTokenizer() throws IOException {
    Path tiny = tiny();
    JsonNode json = json("--model", tiny.toString(), "--repetitions", "1");
    assertTrue(json.get("network").isNull());
    assertFalse(json.at("/results/0").has("latent_job"));
    assertMeasured(json.at("/results/0/decode_tokens_per_second"), 1);
    Run text = bench(false, "--model", tiny.toString(), "--repetitions", "1");
    assertFalse(text.out().contains("latent"), text.out());
  }

  @Test
  void whatDoesNotFitIsLeftOut() throws IOException {
    Path tiny = tiny("--network", "--latents", "5", "--layers", "1");
    int context =
        TinyModels.json(tiny.resolve("config.json")).get("max_position_embeddings").asInt();
    String[] most = {
      "bench",
      "--model",
      tiny.toString(),
      "--repetitions",
      "1",
      "--json",
      "--prompt",
      context + "," + (context + 1),
      "--after",
      "1",
      "--tokens",
      String.valueOf(context - 5 - 3 - 2)
    };
    Run run = Run.of(most);
    assertEquals(0, run.status(), run.err());
    assertEquals(
        "A prompt of %d tokens is left out: the context of %s is %d tokens.\n"
            .formatted(context + 1, tiny, context),
        run.err());
    JsonNode result = new ObjectMapper().readTree(run.out()).at("/results/0");
    assertMeasured(result.at("/prefill_tokens_per_second/" + context), 1);
    assertEquals(1, result.get("prefill_tokens_per_second").size());
    assertEquals(2, result.at("/latent_job/question_tokens").asInt());
    assertEquals(5, result.at("/latent_job/latents").asInt());

    String[] tooMuch = {
      "bench",
      "--model",
      tiny.toString(),
      "--prompt",
      String.valueOf(context + 1),
      "--tokens",
      String.valueOf(context)
    };
    assertEquals(
        new Run(
            1,
            "",
            "lrt: nothing is left to measure: the context of %s is %d tokens\n"
                .formatted(tiny, context)),
        Run.of(tooMuch));
  }

  @Test
  void progressWhereSomebodyWatches() {
    Path tiny = tiny();
    Run run = bench(true, "--model", tiny.toString(), "--repetitions", "1", "--backend", "scalar");
    assertEquals(0, run.status(), run.err());
    assertTrue(run.err().contains("] scalar: load, to warm up"), run.err());
    assertTrue(run.err().endsWith(ProgressBar.CLEAR), run.err());
    assertFalse(run.err().contains("\n"), run.err());
  }
}
