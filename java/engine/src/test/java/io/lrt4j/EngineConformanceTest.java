package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.checkpoint.Safetensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The engine, as its users see it, against what PyTorch gives for the same checkpoints. */
class EngineConformanceTest {
  private static final double LOGIT_TOLERANCE = 2e-4; // of the largest logit
  private static final double NMSE_TOLERANCE = 1e-7;
  private static final List<String> QUESTIONS =
      List.of("What is 12+30?", "Tom has 3 apples and buys 4 more. How many apples?");

  static Stream<String> backends() {
    return TestModels.backends();
  }

  static Stream<Arguments> networks() {
    return onAllBackends(TestModels.APPEND, TestModels.HADAMARD);
  }

  static Stream<Arguments> models() {
    return onAllBackends(
        "conformance/llama-rope3-bf16",
        "conformance/qwen2-bias-bf16",
        "conformance/qwen2-tied-f16",
        "conformance/qwen3-tied-bf16",
        "conformance/qwen3-untied-f32-sharded",
        "conformance/qwen3-yarn-bf16");
  }

  private static Stream<Arguments> onAllBackends(String... names) {
    return backends().flatMap(b -> Stream.of(names).map(name -> Arguments.of(name, b)));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("networks")
  void latentAnswers(String name, String backend) {
    Path network = Fixtures.dir(name);
    JsonNode expected = Fixtures.json(network.resolve("expected.json"));
    JsonNode config = Fixtures.json(network.resolve("config.json"));
    Path base = network.resolveSibling(config.get("base_model").asText());
    try (Engine engine = TestModels.engine(base, network, backend);
        Safetensors tensors = Safetensors.open(network.resolve("expected.safetensors"))) {
      for (int i = 0; i < QUESTIONS.size(); i++) {
        Question question =
            Question.of(QUESTIONS.get(i))
                .mode(Mode.LATENT)
                .options(GenerationOptions.defaults().withMaxTokens(16).withIgnoreEos(true));
        List<Integer> prompt = ids(expected.get("prompt_ids").get(i));
        assertEquals(prompt, boxed(engine.encode(expected.get("prompts").get(i).asText())));

        Answer answer = engine.ask(question);

        float[] latents = flat(engine.latents(question));
        assertClose(Fixtures.floats(tensors, "case" + i + ".latents"), latents, "latents");
        assertEquals(ids(expected.get("greedy").get(i)), answer.ids());
        assertEquals(Mode.LATENT, answer.mode());
        assertEquals(FinishReason.LENGTH, answer.finishReason());
        assertEquals(
            new Answer.TokenCounts(
                prompt.size() + expected.get("close_ids").size(),
                config.get("num_latent_tokens").asInt(),
                0,
                16),
            answer.tokens());
      }
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void logitsHiddenStatesAndGreedyIds(String name, String backend) {
    Path dir = Fixtures.dir(name);
    try (Engine engine = TestModels.engine(dir, null, backend);
        Safetensors expected = Safetensors.open(dir.resolve("expected.safetensors"))) {
      JsonNode cases = Fixtures.json(dir.resolve("expected.json")).get("cases");
      int compared = 0;
      for (int i = 0; i < cases.size(); i++) {
        int[] prompt = unboxed(ids(cases.get(i).get("ids")));
        List<Integer> greedy = ids(cases.get(i).get("greedy"));
        int[] all = joined(prompt, greedy);
        Scores scores = engine.score(all, true, true); // of which the first are those of the prompt
        float[][] logits = Objects.requireNonNull(scores.logits());
        float[][] hidden = Objects.requireNonNull(scores.hidden());
        assertClose(
            Fixtures.floats(expected, "case" + i + ".logits"),
            flat(Arrays.copyOf(logits, prompt.length)),
            "logits");
        assertClose(
            Fixtures.floats(expected, "case" + i + ".hidden"),
            flat(Arrays.copyOf(hidden, prompt.length)),
            "hidden");
        assertLogprobs(all, scores);
        assertAlternatives(
            all, scores, engine.score(all, GenerationOptions.unset().withTopLogprobs(3)));
        compared += assertGreedy(engine, prompt, greedy, logits, 1e-2);
      }
      assertTrue(compared >= 20, "tokens compared: " + compared);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void stories260K(String backend) {
    assertGreedy(Fixtures.dir("weights/stories260K"), backend);
  }

  /** The larger model is not in the repository. */
  @Tag("large")
  @ParameterizedTest
  @MethodSource("backends")
  void miniMind2Small(String backend) {
    Path dir = TestModels.shared("weights/minimind2-small");
    assumeTrue(Files.isDirectory(dir), "no " + dir);
    assertGreedy(dir, backend);
  }

  private static void assertGreedy(Path dir, String backend) {
    try (Engine engine = TestModels.engine(dir, null, backend)) {
      for (JsonNode c : Fixtures.json(dir.resolve("expected.json")).get("cases")) {
        int[] prompt = unboxed(ids(c.get("ids")));
        if (c.has("prompt")) {
          assertEquals(boxed(prompt), boxed(engine.encode(c.get("prompt").asText())));
          assertEquals(c.get("text").asText(), engine.decode(unboxed(ids(c.get("greedy")))));
        }
        if (c.get("smallest_top2_margin").asDouble() >= 1e-3) {
          assertGreedy(engine, prompt, ids(c.get("greedy")));
        } else {
          List<Integer> greedy = ids(c.get("greedy"));
          Scores scores = engine.score(joined(prompt, greedy), true, false);
          float[][] logits = Objects.requireNonNull(scores.logits());
          int compared = assertGreedy(engine, prompt, greedy, logits, 1e-3);
          assertTrue(compared >= 10, "tokens compared: " + compared);
        }
      }
    }
  }

  /**
   * Greedy ids, up to where the two best logits are closer than float32 can tell apart.
   *
   * @param logits of the prompt and the expected ids
   * @return how many that were
   */
  private static int assertGreedy(
      Engine engine, int[] prompt, List<Integer> expected, float[][] logits, double margin) {
    int certain = 0;
    while (certain < expected.size() && margin(logits[prompt.length - 1 + certain]) >= margin) {
      certain++;
    }
    if (certain > 0) {
      assertGreedy(engine, prompt, expected.subList(0, certain));
    }
    return certain;
  }

  private static void assertGreedy(Engine engine, int[] prompt, List<Integer> expected) {
    GenerationOptions options =
        GenerationOptions.defaults().withMaxTokens(expected.size()).withIgnoreEos(true);
    Answer answer = engine.generate(prompt, options);
    assertEquals(expected, answer.ids());
    assertEquals(
        new Answer.TokenCounts(prompt.length, 0, 0, expected.size()), TestModels.counts(answer));
  }

  private static int[] joined(int[] prompt, List<Integer> more) {
    return IntStream.concat(IntStream.of(prompt), IntStream.of(unboxed(more))).toArray();
  }

  private static double margin(float[] logits) {
    float[] sorted = logits.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length - 1] - sorted[sorted.length - 2];
  }

  /** Each token's log-probability is its logit in the row before, normalised. */
  private static void assertAlternatives(int[] ids, Scores scores, Scores told) {
    float[][] logits = Objects.requireNonNull(scores.logits());
    assertArrayEquals(scores.logprobs(), told.logprobs());
    assertEquals(List.of(), scores.alternatives());
    assertEquals(ids.length, told.alternatives().size());
    assertEquals(List.of(), told.alternatives().getFirst());
    for (int i = 1; i < ids.length; i++) {
      float[] row = logits[i - 1];
      List<Token.Choice> best = told.alternatives().get(i);
      assertEquals(3, best.size());
      assertEquals(
          IntStream.range(0, row.length)
              .boxed()
              .sorted(Comparator.comparing(id -> -row[id]))
              .limit(3)
              .toList(),
          best.stream().map(Token.Choice::id).toList());
      for (Token.Choice choice : best) {
        if (choice.id() == ids[i]) {
          assertEquals(told.logprobs()[i], choice.logprob());
        }
      }
    }
  }

  private static void assertLogprobs(int[] ids, Scores scores) {
    float[][] logits = Objects.requireNonNull(scores.logits());
    assertTrue(Float.isNaN(scores.logprobs()[0]));
    for (int i = 1; i < ids.length; i++) {
      double sum = 0;
      for (float logit : logits[i - 1]) {
        sum += Math.exp(logit);
      }
      assertEquals(logits[i - 1][ids[i]] - Math.log(sum), scores.logprobs()[i], 1e-4);
    }
  }

  private static void assertClose(float[] expected, float[] got, String what) {
    Accuracy.assertClose(expected, got, LOGIT_TOLERANCE, NMSE_TOLERANCE, what);
  }

  private static float[] flat(float[][] rows) {
    float[] all = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, all, i * rows[0].length, rows[0].length);
    }
    return all;
  }

  private static List<Integer> ids(JsonNode node) {
    List<Integer> values = new ArrayList<>();
    node.forEach(n -> values.add(n.intValue()));
    return values;
  }

  private static List<Integer> boxed(int[] ids) {
    return IntStream.of(ids).boxed().toList();
  }

  private static int[] unboxed(List<Integer> ids) {
    return ids.stream().mapToInt(Integer::intValue).toArray();
  }
}
