package io.lrt4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.Fixtures;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** RoPE frequencies and tables against those that transformers computes, for every scaling. */
class RopeFrequenciesTest {
  static Stream<JsonNode> cases() {
    JsonNode cases = Fixtures.json(Fixtures.dir("long-context").resolve("rope.json"));
    return StreamSupport.stream(cases.spliterator(), false);
  }

  @ParameterizedTest(name = "case {index}")
  @MethodSource("cases")
  void frequencies(JsonNode c) {
    float[] inverse = RopeFrequencies.inverse(rope(c), c.get("head_dim").intValue());
    float[] expected = floats(c.get("inverse"));
    assertEquals(expected.length, inverse.length);
    for (int i = 0; i < expected.length; i++) {
      // One rounding of a power, which libraries do differently, and what the scaling makes of it.
      assertEquals(expected[i], inverse[i], 2 * Math.ulp(expected[i]), "pair " + i);
    }
    float factor = RopeFrequencies.attentionFactor(rope(c));
    assertEquals((float) c.get("attention_factor").doubleValue(), factor);
  }

  @ParameterizedTest(name = "case {index}")
  @MethodSource("cases")
  void table(JsonNode c) {
    float[] inverse = floats(c.get("inverse"));
    int half = inverse.length;
    float factor = RopeFrequencies.attentionFactor(rope(c));
    float[] table = RopeFrequencies.table(inverse, factor, 8192);
    assertEquals(8192 * 2 * half, table.length);
    for (int p = 0; p < c.get("positions").size(); p++) {
      int row = c.get("positions").get(p).intValue() * 2 * half;
      float[] cos = floats(c.get("cos").get(p));
      float[] sin = floats(c.get("sin").get(p));
      for (int i = 0; i < half; i++) {
        assertEquals(cos[i], table[row + i], 2e-7, "cos of pair " + i);
        assertEquals(sin[i], table[row + half + i], 2e-7, "sin of pair " + i);
      }
    }
  }

  private static Rope rope(JsonNode c) {
    JsonNode s = c.get("scaling");
    double factor = s.path("factor").asDouble();
    int original = s.path("original_max_position_embeddings").asInt();
    Scaling scaling =
        switch (s.get("rope_type").textValue()) {
          case "default" -> new Scaling.None();
          case "linear" -> new Scaling.Linear(factor);
          case "llama3" ->
              new Scaling.Llama3(
                  factor,
                  s.get("low_freq_factor").doubleValue(),
                  s.get("high_freq_factor").doubleValue(),
                  original);
          case "yarn" ->
              new Scaling.Yarn(
                  factor,
                  original,
                  s.path("beta_fast").asDouble(32),
                  s.path("beta_slow").asDouble(1),
                  c.get("attention_factor").doubleValue(),
                  s.path("truncate").asBoolean(true));
          default -> throw new IllegalArgumentException(s.toString());
        };
    return new Rope(c.get("theta").doubleValue(), scaling);
  }

  private static float[] floats(JsonNode array) {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) array.get(i).doubleValue();
    }
    return values;
  }
}
