package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import io.lrt4j.Mode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The JSON fields that scripts rely on, and the lines for people. */
class ReportsTest {
  private static final Reports.Setting SETTING =
      new Reports.Setting(12.3456, "vector", "some/model");

  private static Answer answer(Mode mode, double confidence) {
    return answer(mode, confidence, new Answer.TokenCounts(10, 256, 1, 2));
  }

  private static Answer answer(Mode mode, double confidence, Answer.TokenCounts tokens) {
    return new Answer(
        "Vier \"中\"\n",
        "Hm.",
        mode,
        FinishReason.STOP,
        tokens,
        List.of(7, 8, 9),
        List.of(-0.1f, -0.2f, -0.3f),
        new Answer.Confidence(confidence, 1.5),
        7L,
        new Answer.Timings(1, 2, 3, 4, 1000, 1010.5));
  }

  private static List<String> names(JsonNode node) {
    List<String> names = new ArrayList<>();
    node.fieldNames().forEachRemaining(names::add);
    return names;
  }

  @Test
  void answerAsJson() throws IOException {
    String line = Reports.line(Reports.json(answer(Mode.LATENT, -0.25), SETTING));
    assertFalse(line.contains("\n"));
    JsonNode json = new ObjectMapper().readTree(line);
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
    assertEquals("Vier \"中\"\n", json.get("text").asText());
    assertEquals("latent", json.get("mode").asText());
    assertEquals("stop", json.get("finish_reason").asText());
    assertEquals(256, json.get("tokens").get("latent").asInt());
    assertEquals("[7,8,9]", json.get("ids").toString());
    assertEquals(12.346, json.get("timings_ms").get("load").asDouble());
    assertEquals(3.0, json.get("tokens_per_second").asDouble());
    assertEquals(-0.25, json.get("confidence").asDouble());
    assertEquals("vector", json.get("backend").asText());
    assertEquals("some/model", json.get("model").asText());
  }

  @Test
  void confidenceOfNothingIsNull() throws IOException {
    String line = Reports.line(Reports.json(answer(Mode.DIRECT, Double.NaN), SETTING));
    assertTrue(new ObjectMapper().readTree(line).get("confidence").isNull());
  }

  @Test
  void completionHasNeitherModeNorReasoning() {
    JsonNode json = Reports.completion(answer(Mode.DIRECT, -1), SETTING);
    assertFalse(json.has("mode"));
    assertFalse(json.has("reasoning"));
    assertEquals("stop", json.get("finish_reason").asText());
  }

  @Test
  void summary() {
    assertEquals(
        "[latent, prompt 10, latent 256, reasoning 1, answer 2 tokens, first token 4 ms,"
            + " total 1.01 s, 3.0 tokens/s, confidence -0.250, seed 7, vector, stop]",
        Reports.summary(answer(Mode.LATENT, -0.25), SETTING, true));
    Answer known = answer(Mode.LATENT, -0.25, new Answer.TokenCounts(10, 256, 1, 2, 8));
    String summary = Reports.summary(known, SETTING, true);
    assertTrue(summary.startsWith("[latent, prompt 10, cached 8, latent 256, "), summary);
  }

  @Test
  void comparison() {
    Map<Mode, Answer> answers = new EnumMap<>(Mode.class);
    answers.put(Mode.LATENT, answer(Mode.LATENT, -1));
    answers.put(Mode.DIRECT, answer(Mode.DIRECT, -1));
    assertEquals(
        """
        mode      prompt  latent  reasoning  answer  first token     total  text
        latent        10     256          1       2         4 ms    1.01 s  Vier "中"
        direct        10     256          1       2         4 ms    1.01 s  Vier "中"
        """,
        Comparison.table(answers, true));
  }

  @Test
  void sizes() {
    assertEquals("0 B", Reports.size(0));
    assertEquals("1023 B", Reports.size(1023));
    assertEquals("1.5 KiB", Reports.size(1536));
    assertEquals("16.0 GiB", Reports.size(16L << 30));
    assertEquals("2048.0 TiB", Reports.size(2L << 50));
  }

  @Test
  void namesOutOfFilesMoveNoCursor() {
    assertEquals("model.norm", Reports.printable("model.norm"));
    assertEquals(
        "a\\u001b[2J\\nb\\u202e\\u2028 é 数", Reports.printable("a\u001b[2J\nb\u202e\u2028 é 数"));
  }
}
