package io.lrt4j.cli;

import static io.lrt4j.cli.TinyModels.BASE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.StoredTensor;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code lrt generate} and {@code lrt score} against what PyTorch computes. */
class CompletionTest {
  @TempDir Path folder;

  private static Run run(String... args) {
    Run run = Run.of(args);
    assertEquals(0, run.status(), run.err());
    return run;
  }

  private static JsonNode json(String... args) throws IOException {
    String[] withJson = Arrays.copyOf(args, args.length + 1);
    withJson[args.length] = "--json";
    return new ObjectMapper().readTree(run(withJson).out());
  }

  private static String joined(JsonNode ids) {
    return StreamSupport.stream(ids.spliterator(), false)
        .map(JsonNode::asText)
        .collect(Collectors.joining(","));
  }

  @ParameterizedTest
  @CsvSource({"scalar, 1", "vector, 1", "vector, 3"})
  void greedyAsTheReference(String backend, String threads) throws IOException {
    JsonNode cases = TinyModels.json(BASE.resolve("expected.json")).get("cases");
    assertTrue(cases.size() > 0);
    for (JsonNode expected : cases) {
      assertTrue(expected.get("smallest_top2_margin").asDouble() > 1e-2); // no coin toss in it
      JsonNode greedy = expected.get("greedy");
      String ids = joined(expected.get("ids"));
      JsonNode json =
          json(
              "generate",
              "--model",
              BASE.toString(),
              "--ids",
              ids,
              "--max-tokens",
              Integer.toString(greedy.size()),
              "--ignore-eos",
              "--backend",
              backend,
              "--threads",
              threads);
      assertEquals(greedy, json.get("ids"), ids);
      assertEquals(expected.get("ids").size(), json.get("tokens").get("prompt").asInt());
      assertEquals(greedy.size(), json.get("tokens").get("answer").asInt());
      assertEquals(backend, json.get("backend").asText());
    }
  }

  @Test
  void promptIsItsTokens() throws IOException {
    JsonNode known = TinyModels.json(BASE.resolve("expected.json")).get("tokenizer").get(0);
    String[] options = {"generate", "--model", BASE.toString(), "--max-tokens", "6"};
    List<String> byText = new ArrayList<>(List.of(options));
    byText.addAll(List.of("--prompt", known.get("text").asText()));
    List<String> byIds = new ArrayList<>(List.of(options));
    byIds.addAll(List.of("--ids", joined(known.get("ids"))));
    JsonNode json = json(byText.toArray(String[]::new));
    assertEquals(json(byIds.toArray(String[]::new)).get("ids"), json.get("ids"));
    assertEquals(json.get("text").asText() + "\n", run(byText.toArray(String[]::new)).out());
  }

  /** As a shell's {@code "$(cat)"} gives it: line ends within and spaces stay. */
  @ParameterizedTest
  @ValueSource(strings = {"generate", "score"})
  void promptFromStandardInput(String command) {
    String[] typed = {command, "--model", BASE.toString(), "--prompt", " a\nb "};
    String[] read = {command, "--model", BASE.toString(), "--prompt", "-"};
    Run run = Run.withInput(" a\nb \r\n\n", read);
    assertEquals(run(typed).out(), run.out(), run.err());
    assertEquals(new Run(2, "", "lrt: --prompt must not be empty\n"), Run.withInput("\n", read));
    Run binary = Run.withBytes(new byte[] {'a', (byte) 0xff}, read);
    assertEquals(new Run(1, "", "lrt: the prompt on standard input is not UTF-8 text\n"), binary);
    assertTrue(run(command, "--help").out().contains("standard input"), command);
  }

  @Test
  void modelThatWasJustMade() throws IOException {
    Path tiny = folder.resolve("tiny");
    run("init", "--preset", "tiny", "--seed", "3", "--out", tiny.toString());
    String[] generate = {
      "generate", "--model", tiny.toString(), "--ids", "1,2,3", "--max-tokens", "7", "--ignore-eos"
    };
    JsonNode json = json(generate);
    assertEquals(7, json.get("ids").size());
    assertEquals("", json.get("text").asText()); // it has no tokenizer
    assertEquals(joined(json.get("ids")) + "\n", run(generate).out()); // so ids stand for it
    List<String> warm = new ArrayList<>(List.of(generate));
    warm.addAll(List.of("--temperature", "1", "--seed", "1"));
    JsonNode sampled = json(warm.toArray(String[]::new));
    assertEquals(sampled.get("ids"), json(warm.toArray(String[]::new)).get("ids"));
    assertNotEquals(json.get("ids"), sampled.get("ids"));
  }

  @ParameterizedTest
  @CsvSource({"scalar", "vector"})
  void scoresAsTheReference(String backend) throws IOException {
    JsonNode cases = TinyModels.json(BASE.resolve("expected.json")).get("cases");
    try (var expected = Safetensors.open(BASE.resolve("expected.safetensors"))) {
      for (int i = 0; i < cases.size(); i++) {
        JsonNode ids = cases.get(i).get("ids");
        Path file = folder.resolve(i + ".safetensors");
        JsonNode json =
            json(
                "score",
                "--model",
                BASE.toString(),
                "--ids",
                joined(ids),
                "--backend",
                backend,
                "--dump",
                file.toString());
        float[] logits = floats(expected, "case" + i + ".logits");
        try (var dump = Safetensors.open(file)) {
          assertEquals(2, dump.tensors().size());
          assertClose(logits, floats(dump, "logits"));
          assertClose(floats(expected, "case" + i + ".hidden"), floats(dump, "hidden"));
          assertEquals(
              List.of((long) ids.size(), 384L),
              Objects.requireNonNull(dump.find("logits")).shape());
          assertEquals(
              List.of((long) ids.size(), 64L), Objects.requireNonNull(dump.find("hidden")).shape());
        }
        assertEquals(ids, json.get("ids"));
        assertTrue(json.get("logprobs").get(0).isNull());
        double total = 0;
        for (int k = 1; k < ids.size(); k++) {
          float[] row = Arrays.copyOfRange(logits, (k - 1) * 384, k * 384);
          double logprob = row[ids.get(k).asInt()] - logSumExp(row);
          assertEquals(logprob, json.get("logprobs").get(k).asDouble(), 1e-3);
          total += logprob;
        }
        assertEquals(total, json.get("total_logprob").asDouble(), 1e-3 * ids.size());
      }
    }
  }

  private static double logSumExp(float[] row) {
    double sum = 0;
    for (float x : row) {
      sum += Math.exp(x);
    }
    return Math.log(sum);
  }

  private static void assertClose(float[] expected, float[] found) {
    assertEquals(expected.length, found.length);
    float largest = 0;
    for (float x : expected) {
      largest = Math.max(largest, Math.abs(x));
    }
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], found[i], 2e-4f * largest, "at " + i);
    }
  }

  private static float[] floats(Safetensors file, String name) {
    StoredTensor tensor = Objects.requireNonNull(file.find(name), name);
    return tensor
        .data()
        .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
  }

  @Test
  void scoresAsText() {
    Run run = run("score", "--model", BASE.toString(), "--prompt", "a\nb");
    assertEquals(3, run.out().lines().count(), run.out());
    assertTrue(run.out().contains("\\n"), run.out());
    assertTrue(run.err().startsWith("[3 tokens, total -"), run.err());
  }
}
