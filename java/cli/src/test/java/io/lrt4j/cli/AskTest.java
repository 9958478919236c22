package io.lrt4j.cli;

import static io.lrt4j.cli.TinyModels.BASE;
import static io.lrt4j.cli.TinyModels.NETWORK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code lrt ask} from the command line to the answer, on a real if tiny pair of models. */
class AskTest {
  private static final String QUESTION = "What is 12+30?";

  /** Of the templated question with an open thinking block, as recorded with the network. */
  private static final int PROMPT = 29;

  private static final int CLOSE = 4; // "\n</think>\n\n"
  private static final int LATENTS = 8;

  @TempDir Path folder;

  private static Run ask(Path network, String... more) {
    var args = new ArrayList<>(List.of("ask", QUESTION, "--model", BASE.toString()));
    args.addAll(List.of("--network", network.toString()));
    args.addAll(List.of(more));
    Run run = Run.of(args.toArray(String[]::new));
    assertEquals(0, run.status(), run.err());
    return run;
  }

  private static JsonNode json(Path network, String... more) throws IOException {
    Run run =
        ask(network, Stream.concat(Stream.of(more), Stream.of("--json")).toArray(String[]::new));
    assertEquals("", run.err());
    assertEquals(1, run.out().lines().count());
    return new ObjectMapper().readTree(run.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector"})
  void latentAnswersAsTheReference(String backend) throws IOException {
    JsonNode expected = TinyModels.json(NETWORK.resolve("expected.json")).get("greedy").get(0);
    JsonNode json = json(NETWORK, "--backend", backend, "--max-tokens", "16", "--ignore-eos");
    assertEquals(expected, json.get("ids"));
    assertEquals("latent", json.get("mode").asText()); // the default of a network without threshold
    assertEquals(backend, json.get("backend").asText());
    assertTokens(json, PROMPT + CLOSE, LATENTS, 0, 16);
    assertEquals("length", json.get("finish_reason").asText());
    JsonNode timings = json.get("timings_ms");
    for (String part : List.of("load", "encode", "reason", "prefill", "decode")) {
      assertTrue(timings.get(part).asDouble() > 0, timings.toString());
    }
  }

  @Test
  void aSystemMessageIsBeforeTheQuestion() throws IOException {
    JsonNode json = json(NETWORK, "--max-tokens", "4", "--system", "Be brief.");
    try (Engine engine = Engine.load(BASE, EngineOptions.defaults().withNetwork(NETWORK))) {
      var question = Question.of(QUESTION).system("Be brief.").mode(Mode.LATENT).maxTokens(4);
      assertEquals(engine.ask(question).tokens().prompt(), json.at("/tokens/prompt").asInt());
    }
    assertTrue(json.at("/tokens/prompt").asInt() > PROMPT + CLOSE);
  }

  @Test
  void explicitThinksWithinItsBudget() throws IOException {
    int closing;
    try (Engine engine = Engine.load(BASE)) {
      closing = engine.encode("\n</think>\n\n" + GenerationOptions.defaults().answerCue()).length;
    }
    JsonNode json = json(NETWORK, "--mode", "explicit", "--budget", "16", "--ignore-eos");
    assertTokens(json, PROMPT + closing, 0, 12, 4);
    assertFalse(json.get("reasoning").asText().isEmpty());
    assertEquals(16, json.get("ids").size());
    assertEquals(0, json.get("timings_ms").get("reason").asDouble());
  }

  @Test
  void directGetsAClosedThinkingBlock() throws IOException {
    JsonNode json = json(NETWORK, "--mode", "direct", "--max-tokens", "5", "--ignore-eos");
    int prompt;
    try (Engine engine = Engine.load(BASE)) {
      prompt =
          engine.encode(
                  "<|im_start|>user\n"
                      + QUESTION
                      + "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
              .length;
    }
    assertTokens(json, prompt, 0, 0, 5);
    assertEquals("", json.get("reasoning").asText());
  }

  @Test
  void autoKeepsWhatIsConfidentAndThinksAboutTheRest() throws IOException {
    Path easy = TinyModels.calibrated(folder.resolve("easy"), -1e9);
    Path strict = TinyModels.calibrated(folder.resolve("strict"), 0);
    JsonNode kept = json(easy, "--max-tokens", "8");
    assertEquals("latent", kept.get("mode").asText());
    assertEquals(json(easy, "--max-tokens", "8", "--mode", "latent").get("ids"), kept.get("ids"));
    JsonNode thought = json(strict, "--mode", "auto", "--max-tokens", "8");
    assertEquals("explicit", thought.get("mode").asText());
    assertTrue(thought.get("timings_ms").get("reason").asDouble() > 0); // of the first attempt
    assertEquals(
        json(strict, "--max-tokens", "8", "--mode", "explicit").get("ids"), thought.get("ids"));
  }

  @ParameterizedTest
  @CsvSource({"latent, -1e9", "explicit, -1e9", "direct, -1e9", "auto, -1e9", "auto, 0"})
  void whatIsStreamedIsTheAnswer(String mode, double threshold) throws IOException {
    Path network = TinyModels.calibrated(folder.resolve("network"), threshold);
    String[] options = {"--mode", mode, "--max-tokens", "24", "--ignore-eos"};
    Run run = ask(network, options);
    JsonNode json = json(network, options);
    assertFalse(json.get("text").asText().isEmpty());
    assertEquals(json.get("text").asText() + "\n", run.out());
    assertEquals(1, run.err().lines().count()); // the summary; nobody watches the thinking
    assertTrue(run.err().startsWith("[" + json.get("mode").asText() + ", prompt "), run.err());
  }

  @Test
  void fieldsThatScriptsRelyOn() throws IOException {
    JsonNode json = json(NETWORK, "--max-tokens", "2");
    assertEquals(
        List.of(
            "text",
            "reasoning",
            "mode",
            "finish_reason",
            "tokens",
            "ids",
            "seed",
            "timings_ms",
            "tokens_per_second",
            "confidence",
            "smallest_margin",
            "backend",
            "model"),
        names(json));
    assertEquals(
        List.of("prompt", "latent", "reasoning", "answer", "cached"), names(json.get("tokens")));
    assertEquals(
        List.of("load", "encode", "reason", "prefill", "first_token", "decode", "total"),
        names(json.get("timings_ms")));
    assertTrue(json.get("confidence").asDouble() < 0);
    assertTrue(json.get("smallest_margin").asDouble() > 0);
    assertTrue(json.get("tokens_per_second").asDouble() > 0);
    assertEquals(BASE.toString(), json.get("model").asText());
  }

  private static List<String> names(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

  private static void assertTokens(
      JsonNode json, int prompt, int latent, int reasoning, int answer) {
    JsonNode tokens = json.get("tokens");
    assertEquals(prompt, tokens.get("prompt").asInt(), "prompt");
    assertEquals(latent, tokens.get("latent").asInt(), "latent");
    assertEquals(reasoning, tokens.get("reasoning").asInt(), "reasoning");
    assertEquals(answer, tokens.get("answer").asInt(), "answer");
  }

  @Test
  void stopTextEndsTheAnswerBeforeIt() throws IOException {
    String[] options = {"--mode", "direct", "--max-tokens", "60", "--ignore-eos"};
    String whole = json(NETWORK, options).get("text").asText();
    var word = Pattern.compile("[A-Za-z]{2,}").matcher(whole);
    assertTrue(word.find(whole.length() / 4), whole);
    String stop = word.group();
    JsonNode json =
        json(
            NETWORK,
            Stream.concat(Stream.of(options), Stream.of("--stop", "never in it", "--stop", stop))
                .toArray(String[]::new));
    assertEquals(whole.substring(0, whole.indexOf(stop)), json.get("text").asText());
    assertEquals("stop", json.get("finish_reason").asText());
  }

  @Test
  void sampleIsTheAnswerWithItsOwnSeed() throws IOException {
    String[] sampling = {"--temperature", "0.8", "--max-tokens", "12", "--ignore-eos"};
    JsonNode samples =
        json(NETWORK, both(sampling, "--samples", "3", "--seed", "5")).get("samples");
    assertEquals(3, samples.size());
    assertNotEquals(samples.get(0).get("ids"), samples.get(1).get("ids"));
    JsonNode alone = json(NETWORK, both(sampling, "--seed", "6"));
    assertEquals(alone.get("ids"), samples.get(1).get("ids"));
    Run text = ask(NETWORK, both(sampling, "--samples", "3", "--seed", "5"));
    assertTrue(text.out().contains("[3] " + samples.get(2).get("text").asText()), text.out());
    assertEquals(3, text.err().lines().count());
  }

  private static String[] both(String[] first, String... second) {
    return Stream.concat(Stream.of(first), Stream.of(second)).toArray(String[]::new);
  }

  @Test
  void compareAnswersInEveryModeThatThereIs() throws IOException {
    String[] options = {"--compare", "--max-tokens", "6", "--ignore-eos"};
    JsonNode modes = json(NETWORK, options).get("modes");
    assertEquals(Set.of("latent", "direct", "explicit"), Set.copyOf(names(modes)));
    for (String mode : names(modes)) {
      assertEquals(mode, modes.get(mode).get("mode").asText());
      assertEquals(
          json(NETWORK, "--mode", mode, "--max-tokens", "6", "--ignore-eos").get("ids"),
          modes.get(mode).get("ids"));
    }
    Path calibrated = TinyModels.calibrated(folder.resolve("network"), 0);
    assertTrue(names(json(calibrated, options).get("modes")).contains("auto"));
    Run table = ask(NETWORK, options);
    assertEquals(4, table.out().lines().count(), table.out());
  }

  @Test
  void questionFromStandardInput() throws IOException {
    Run run =
        Run.withInput(
            QUESTION + "\n",
            "ask",
            "--model",
            BASE.toString(),
            "--network",
            NETWORK.toString(),
            "--max-tokens",
            "6",
            "--json");
    assertEquals(0, run.status(), run.err());
    assertEquals(
        json(NETWORK, "--max-tokens", "6").get("ids"),
        new ObjectMapper().readTree(run.out()).get("ids"));
  }

  @Test
  void withoutNetworkItThinksInText() throws IOException {
    Run run = Run.of("ask", QUESTION, "--model", BASE.toString(), "--max-tokens", "8", "--json");
    assertEquals("explicit", new ObjectMapper().readTree(run.out()).get("mode").asText());
  }
}
