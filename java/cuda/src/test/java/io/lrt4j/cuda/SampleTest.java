package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.lrt4j.GenerationOptions;
import io.lrt4j.compute.Draw;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.decode.Sampler;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The device draws the tokens that the host's sampler draws from the same logits. */
class SampleTest extends OnDevice {
  private static final float[] TEMPERATURES = {0, 0.01f, 0.6f, 1, 1.7f};
  private static final int[] TOP_K = {0, 0, 1, 7, 40, 5000};
  private static final float[] TOP_P = {1, 1, 0.1f, 0.5f, 0.95f, 0.9999f};
  private static final float[] MIN_P = {0, 0, 0, 0.05f, 1};
  private static final float[] PENALTIES = {1, 1, 1.3f, 0.8f};
  private static final float[] COUNTED = {0, 0, 0.5f, -1};
  private static final int[] SIZES = {1, 2, 31, 300, 700};

  private final LogitSummary expected = new LogitSummary();
  private final LogitSummary summary = new LogitSummary();

  SampleTest() {
    super(3);
  }

  @Test
  void likeTheHost() {
    var numbers = new Numbers(1);
    for (int trial = 0; trial < 60; trial++) {
      int n = SIZES[numbers.below(SIZES.length)];
      GenerationOptions options =
          GenerationOptions.defaults()
              .withTemperature(TEMPERATURES[numbers.below(TEMPERATURES.length)])
              .withTopK(TOP_K[numbers.below(TOP_K.length)])
              .withTopP(TOP_P[numbers.below(TOP_P.length)])
              .withMinP(MIN_P[numbers.below(MIN_P.length)])
              .withRepetitionPenalty(PENALTIES[numbers.below(PENALTIES.length)])
              .withPresencePenalty(COUNTED[numbers.below(COUNTED.length)])
              .withFrequencyPenalty(COUNTED[numbers.below(COUNTED.length)])
              .withSeed((long) numbers.below(Integer.MAX_VALUE) << 20);
      float[] logits = numbers.normal(n, -1, 1 + numbers.below(6));
      for (int i = 0; trial % 3 == 1 && i < n; i++) {
        logits[i] = Math.round(logits[i]); // ties, and zeros of both signs
      }
      for (int i = 1; trial % 5 == 1 && i < n; i += 3) {
        logits[i] = Float.NEGATIVE_INFINITY;
      }
      compare(numbers, logits, options);
    }
  }

  private void compare(Numbers numbers, float[] logits, GenerationOptions options) {
    int n = logits.length;
    try (var scalar = new ScalarBackend();
        Memory memory = cuda.newMemory();
        Memory other = scalar.newMemory()) {
      Tensor there = memory.allocate(2, n);
      Tensor here = other.allocate(2, n);
      cuda.write(logits, there, 1, 1);
      scalar.write(logits, here, 1, 1);
      scalar.summarize(here, 1, expected);
      var sampler = new Sampler(options, n);
      for (int id : numbers.ids(n / 2, n)) {
        sampler.seen(id);
      }
      for (int id : numbers.ids(n / 3, n)) {
        sampler.wrote(id);
      }
      for (int position = 0; position < 2; position++) {
        float[] penalized = logits.clone();
        sampler.penalize(penalized, n);
        int token = sampler.sample(penalized, n, position, 77L + position);
        String what = options + ", " + n + " logits, position " + position;

        Draw draw = sampler.sample(cuda, there, 1, position, 77L + position, summary);

        assertNotNull(draw, what);
        assertEquals(token, draw.token, what);
        assertEquals(logits[token], draw.logit, what);
        assertEquals(expected.argmax, summary.argmax, what);
        assertEquals(expected.second, summary.second, what);
        assertEquals(expected.logSumExp, summary.logSumExp, 1e-4f, what);
        sampler.wrote(token);
      }
    }
  }

  /** Every token as often as the host says: the random numbers are the same ones. */
  @Test
  void equalTokens() {
    float[] logits = new float[64];
    GenerationOptions options = GenerationOptions.defaults().withTemperature(1).withSeed(5);
    compare(new Numbers(2), logits, options);
    compare(new Numbers(2), logits, options.withTopP(0.5f));
    compare(new Numbers(2), logits, options.withTopK(3));
    logits[9] = 1;
    compare(new Numbers(2), logits, options.withTopP(0.5f).withTopK(3));
  }

  /** It says what is wrong with them. */
  @Test
  void brokenLogitsAreLeftToTheHost() {
    for (float broken : new float[] {Float.NaN, Float.POSITIVE_INFINITY, 3e38f}) {
      float[] logits = new float[40];
      Arrays.fill(logits, Float.NEGATIVE_INFINITY);
      logits[33] = broken;
      try (Memory memory = cuda.newMemory()) {
        Tensor there = memory.allocate(1, 40);
        cuda.write(logits, there, 0, 1);
        var sampler =
            new Sampler(GenerationOptions.defaults().withTemperature(0.1f).withSeed(1), 40);
        assertNull(sampler.sample(cuda, there, 0, 0, 0, summary), "" + broken);
      }
    }
  }
}
