package io.lrt4j.decode;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.management.ThreadMXBean;
import io.lrt4j.BackendException;
import io.lrt4j.Fixtures;
import io.lrt4j.Fuzz;
import io.lrt4j.GenerationOptions;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final GenerationOptions SAMPLING =
      GenerationOptions.defaults().withTemperature(1).withSeed(7);

  /** As in record_sampler.py. */
  private static float[] logits(int seed, int n, double scale, int shift) {
    var values = new float[n];
    int state = seed;
    for (int i = 0; i < n; i++) {
      int total = 0;
      for (int j = 0; j < 4; j++) {
        state = state * 1664525 + 1013904223;
        total += state >>> 12;
      }
      values[i] = (float) (((total - (1 << 21)) >> shift << shift) * scale);
    }
    return values;
  }

  private static float[] logits(JsonNode c) {
    return logits(
        c.get("seed").intValue(),
        c.get("n").intValue(),
        c.get("scale").doubleValue(),
        c.get("shift").intValue());
  }

  private static GenerationOptions options(JsonNode c) {
    return SAMPLING
        .withTemperature(c.get("temperature").floatValue())
        .withTopK(c.get("top_k").intValue())
        .withTopP(c.get("top_p").floatValue())
        .withMinP(c.get("min_p").floatValue())
        .withRepetitionPenalty(c.get("penalty").floatValue());
  }

  /** The very tokens that transformers keeps, ties and repetition penalty included. */
  @Test
  void keepsWhatTransformersKeeps() {
    var cases = Fixtures.json(Fixtures.dir("decode").resolve("sampler.json")).get("cases");
    assertTrue(cases.size() > 1000);
    var differences = new ArrayList<String>();
    for (var c : cases) {
      var logits = logits(c);
      // one token more than there are logits: a vocabulary may be padded
      var sampler = new Sampler(options(c), logits.length + 1);
      c.get("seen").forEach(id -> sampler.seen(id.intValue()));
      sampler.penalize(logits, logits.length);
      var expected = BitSet.valueOf(HexFormat.of().parseHex(c.get("kept").textValue()));
      var found = new BitSet();
      var kept = sampler.keptTokens(logits, logits.length);
      Arrays.stream(kept).forEach(found::set);
      if (!found.equals(expected) || kept.length != c.get("count").intValue()) {
        differences.add(
            "expected %d, found %d tokens: %.300s"
                .formatted(expected.cardinality(), kept.length, c));
      }
    }
    assertEquals("", String.join("\n", differences));
  }

  /** Whole blocks of logits are passed over: none of the k best, nor their equals, is in one. */
  @Test
  void theBestOfManyBlocks() {
    SplittableRandom random = new SplittableRandom(9);
    for (int trial = 0; trial < 300; trial++) {
      int n = 1 + random.nextInt(4000);
      int k = 1 + random.nextInt(40);
      int coarse = random.nextInt(3);
      double removed = trial % 4 == 0 ? 0.99 : 0.1;
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        float logit = (float) random.nextGaussian(-1, 6);
        logit = coarse == 0 ? logit : Math.round(logit * coarse); // ties, zeros of both signs
        logits[i] = random.nextDouble() < removed ? Float.NEGATIVE_INFINITY : logit;
      }
      logits[random.nextInt(n)] = 1;
      float temperature = trial % 2 == 0 ? 0.7f : 1;
      float[] scores = new float[n];
      for (int i = 0; i < n; i++) {
        scores[i] = logits[i] / temperature + 0f;
      }
      float[] ascending = scores.clone();
      Arrays.sort(ascending);
      float least = Math.max(-Float.MAX_VALUE, ascending[Math.max(0, n - k)]);
      int[] expected = IntStream.range(0, n).filter(i -> scores[i] >= least).toArray();

      Sampler sampler = new Sampler(SAMPLING.withTemperature(temperature).withTopK(k), n);

      assertArrayEquals(expected, sampler.keptTokens(logits, n), "trial " + trial);
      int best = 0;
      for (int i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
      }
      Sampler greedy = new Sampler(GenerationOptions.defaults(), n);
      assertEquals(best, greedy.sample(logits, n, 0, 0), "trial " + trial);
    }
  }

  /** What {@link Sampler} says word for word: every token's mass, sorted, all filters in turn. */
  private static List<Integer> straightlyKept(float[] logits, GenerationOptions o) {
    int n = logits.length;
    float[] scores = new float[n];
    float largest = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      scores[i] = logits[i] / o.temperature() + 0f;
      largest = Math.max(largest, scores[i]);
    }
    double unit = Mass.unit(n);
    long[] masses = new long[n];
    for (int i = 0; i < n; i++) {
      masses[i] = (long) Mass.of((double) scores[i] - largest, unit);
    }
    List<Integer> best =
        IntStream.range(0, n)
            .filter(i -> scores[i] > Float.NEGATIVE_INFINITY)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> -scores[i])) // stable: the lower id first
            .toList();
    if (o.topK() > 0 && o.topK() < best.size()) {
      float last = scores[best.get(o.topK() - 1)];
      best = best.stream().filter(i -> scores[i] >= last).toList();
    }
    if (o.topP() < 1) {
      double needed = o.topP() * (double) best.stream().mapToLong(i -> masses[i]).sum();
      int count = 0;
      for (long sum = 0; sum < needed; count++) {
        sum += masses[best.get(count)];
      }
      best = best.subList(0, count);
    }
    return best.stream().filter(i -> masses[i] >= o.minP() * unit).sorted().toList();
  }

  private static int straightlyDrawn(
      float[] logits, List<Integer> kept, GenerationOptions o, int position) {
    float largest = Float.NEGATIVE_INFINITY;
    for (float logit : logits) {
      largest = Math.max(largest, logit / o.temperature());
    }
    long[] sums = new long[kept.size()];
    long sum = 0;
    for (int i = 0; i < sums.length; i++) {
      float score = logits[kept.get(i)] / o.temperature();
      sum += (long) Mass.of((double) score - largest, Mass.unit(logits.length));
      sums[i] = sum;
    }
    double target =
        new CounterRandom(Objects.requireNonNull(o.seed())).uniform(3, position) * (double) sum;
    int at = 0;
    while (!(sums[at] > target)) {
      at++;
    }
    return kept.get(at);
  }

  /** Whatever is passed over, summed by blocks or found by selection: the tokens are the same. */
  @Test
  void likeTheStraightOne() {
    SplittableRandom random = new SplittableRandom(4);
    float[] topPs = {1, 1, 0.95f, 0.5f, 0.9999f, 0.99999994f, 1e-30f};
    float[] minPs = {0, 0, 0.05f, 0.5f, 1, 2e-3f, 1e-4f, 1e-12f};
    int[] topKs = {0, 0, 0, 1, 20, 300};
    float[] temperatures = {1, 0.6f, 0.05f, 1.7f, 30};
    for (int trial = 0; trial < 400 * Fuzz.FACTOR; trial++) {
      int n = 1 + random.nextInt(trial % 20 == 0 ? 30_000 : 2000);
      double spread = List.of(0.0, 1e-6, 0.5, 3.0, 12.0, 400.0).get(random.nextInt(6));
      double offset = List.of(0.0, -20.0, 1e4, 1e12).get(random.nextInt(4));
      int coarse = random.nextInt(4);
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        double logit = random.nextGaussian() * spread;
        logits[i] = (float) (offset + (coarse == 0 ? Math.rint(logit) : logit));
        if (coarse == 1 && random.nextBoolean()) {
          logits[i] = Float.NEGATIVE_INFINITY;
        }
      }
      logits[random.nextInt(n)] = (float) offset;
      GenerationOptions options =
          SAMPLING
              .withTemperature(temperatures[random.nextInt(temperatures.length)])
              .withTopK(topKs[random.nextInt(topKs.length)])
              .withTopP(topPs[random.nextInt(topPs.length)])
              .withMinP(minPs[random.nextInt(minPs.length)])
              .withSeed(random.nextLong());
      Sampler sampler = new Sampler(options, n);
      String what = "trial " + trial + ": " + n + " logits, " + options;
      List<Integer> kept = straightlyKept(logits, options);
      assertEquals(kept, IntStream.of(sampler.keptTokens(logits, n)).boxed().toList(), what);
      for (int position = 0; position < 5; position++) {
        assertEquals(
            straightlyDrawn(logits, kept, options, position),
            sampler.sample(logits, n, 3, position),
            what);
      }
    }
  }

  /** Masses are exponentials, as good as doubles of that size can be. */
  @Test
  void massesAreExponentials() {
    SplittableRandom random = new SplittableRandom(5);
    for (int n : new int[] {1 << 19, 1 << 24}) {
      double unit = Mass.unit(n);
      assertTrue(n * unit < 0x1p63);
      assertEquals(unit, Mass.of(0, unit));
      assertEquals(0, Mass.of(Double.NEGATIVE_INFINITY, unit));
      assertEquals(0, Mass.of(-1e300, unit));
      for (int i = 0; i < 100_000; i++) {
        double x = -33 * random.nextDouble();
        double expected = Math.exp(x) * unit;
        double mass = Mass.of(x, unit);
        assertEquals(Math.rint(mass), mass);
        assertEquals(expected, mass, 0.5 + 3e-14 * expected, "exp of " + x);
      }
    }
  }

  /** Frequencies follow the softmax: chi-square over 12 tokens, 31.26 is the 0.1 % point of 11. */
  @Test
  void frequenciesFollowTheProbabilities() {
    var logits = logits(11, 12, 0x1p-19, 0);
    for (float temperature : new float[] {0.5f, 1, 2}) {
      var sampler = new Sampler(SAMPLING.withTemperature(temperature), logits.length);
      int draws = 50_000;
      var counts = new int[logits.length];
      for (int i = 0; i < draws; i++) {
        counts[sampler.sample(logits, logits.length, 0, i)]++;
      }
      var weights = new double[logits.length];
      for (int i = 0; i < weights.length; i++) {
        weights[i] = Math.exp(logits[i] / temperature);
      }
      double total = Arrays.stream(weights).sum();
      double chi = 0;
      for (int i = 0; i < weights.length; i++) {
        double expected = draws * weights[i] / total;
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
      }
      assertTrue(chi < 31.26, "chi-square " + chi + " at temperature " + temperature);
    }
  }

  @Test
  void onlyKeptTokensAreDrawn() {
    var logits = logits(3, 207, 0x1p-18, 0);
    var sampler = new Sampler(SAMPLING.withTopK(40).withTopP(0.8f).withMinP(0.01f), 207);
    var kept = new BitSet();
    Arrays.stream(sampler.keptTokens(logits, 207)).forEach(kept::set);
    var drawn = new BitSet();
    for (int i = 0; i < 20_000; i++) {
      drawn.set(sampler.sample(logits, 207, 1, i));
    }
    assertEquals(kept, drawn);
  }

  @Test
  void sameSeedStreamAndPositionGiveTheSameToken() {
    var logits = logits(5, 500, 0x1p-18, 0);
    var options = SAMPLING.withTopP(0.95f);
    var forwards = new Sampler(options, 500);
    var backwards = new Sampler(options, 1000);
    int[] tokens = IntStream.range(0, 200).map(i -> forwards.sample(logits, 500, 2, i)).toArray();
    for (int i = 199; i >= 0; i--) {
      assertEquals(tokens[i], backwards.sample(logits, 500, 2, i));
    }
    var otherStream =
        IntStream.range(0, 200).map(i -> forwards.sample(logits, 500, 3, i)).toArray();
    assertTrue(!Arrays.equals(tokens, otherStream));
    var otherSeed = new Sampler(options.withSeed(8), 500);
    assertTrue(
        !Arrays.equals(
            tokens,
            IntStream.range(0, 200).map(i -> otherSeed.sample(logits, 500, 2, i)).toArray()));
  }

  @Test
  void zeroTemperatureTakesTheFirstOfTheLargest() {
    var greedy = new Sampler(GenerationOptions.defaults(), 8);
    assertEquals(2, greedy.sample(new float[] {-1, 0, 5, 5, 3, 5}, 6, 0, 0));
    assertEquals(0, greedy.sample(new float[] {0f, -0f, 0f}, 3, 0, 0));
    assertEquals(
        1, greedy.sample(new float[] {Float.NEGATIVE_INFINITY, -Float.MAX_VALUE}, 2, 0, 0));
    assertEquals(0, greedy.sample(new float[] {1, 9}, 1, 0, 0));
  }

  @Test
  void extremes() {
    var inf = Float.NEGATIVE_INFINITY;
    var max = Float.MAX_VALUE;
    var rows =
        new float[][] {
          {inf, 3, inf},
          {max, -max, 0},
          {-max, -max, -max},
          {max, max, max},
          {0, 0, 0},
          {0, -0f, inf},
          {Float.MIN_VALUE, 0, -Float.MIN_VALUE}
        };
    for (var row : rows) {
      for (float temperature : new float[] {1e-38f, 1e-3f, 1, 1e30f, max}) {
        for (int k : new int[] {0, 1, 2, 1 << 30}) {
          for (float p : new float[] {1e-30f, 0.5f, 1}) {
            for (float m : new float[] {0, 0.5f, 1}) {
              var options =
                  SAMPLING.withTemperature(temperature).withTopK(k).withTopP(p).withMinP(m);
              var sampler = new Sampler(options, 3);
              var kept = sampler.keptTokens(row, 3);
              assertTrue(kept.length > 0);
              for (int i = 0; i < 5; i++) {
                int token = sampler.sample(row, 3, 0, i);
                assertTrue(Arrays.stream(kept).anyMatch(id -> id == token) && row[token] > inf);
              }
            }
          }
        }
      }
    }
  }

  @Test
  void ofEqualScoresTopPKeepsTheLowerIds() {
    var sampler = new Sampler(SAMPLING.withTopP(0.25f), 10);
    assertArrayEquals(new int[] {0, 1, 2}, sampler.keptTokens(new float[10], 10));
    var tied = new Sampler(SAMPLING.withTopK(3), 10);
    assertEquals(10, tied.keptTokens(new float[10], 10).length);
  }

  @Test
  void brokenLogitsAreRefused() {
    var bad =
        new float[][] {
          {Float.NaN, 1},
          {1, Float.NaN},
          {Float.POSITIVE_INFINITY, 1},
          {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY}
        };
    for (var row : bad) {
      for (float temperature : new float[] {0, 1}) {
        var sampler = new Sampler(SAMPLING.withTemperature(temperature).withTopP(0.5f), 2);
        var e = assertThrows(BackendException.class, () -> sampler.sample(row, 2, 0, 0));
        assertTrue(String.valueOf(e.getMessage()).startsWith("the model's logits are broken: "));
      }
    }
    var sampler = new Sampler(SAMPLING, 2);
    assertThrows(IllegalArgumentException.class, () -> sampler.sample(new float[3], 3, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> sampler.sample(new float[3], 0, 0, 0));
  }

  @Test
  void penaltyHoldsDownEachTokenOnce() {
    var sampler = new Sampler(SAMPLING.withRepetitionPenalty(2), 5);
    for (int id : new int[] {1, 1, 3, 4, -1, 99}) {
      sampler.seen(id);
    }
    var logits = new float[] {8, 8, -8, -8};
    sampler.penalize(logits, 4);
    assertArrayEquals(new float[] {8, 4, -8, -16}, logits);
    sampler.forget();
    sampler.penalize(logits, 4);
    assertArrayEquals(new float[] {8, 4, -8, -16}, logits);
    sampler.seen(1);
    sampler.penalize(logits, 4);
    assertArrayEquals(new float[] {8, 2, -8, -16}, logits);
  }

  @Test
  void whatWasWrittenIsHeldDownByHowOften() {
    var sampler =
        new Sampler(
            SAMPLING.withRepetitionPenalty(2).withPresencePenalty(1).withFrequencyPenalty(0.5f), 5);
    sampler.seen(0); // of the prompt
    for (int id : new int[] {1, 1, 3, 4}) {
      sampler.wrote(id);
    }
    var logits = new float[] {8, 8, -8, -8};
    sampler.penalize(logits, 4);
    assertArrayEquals(new float[] {4, 2, -8, -17.5f}, logits);
    sampler.forget();
    sampler.penalize(logits, 4);
    assertArrayEquals(new float[] {4, 2, -8, -17.5f}, logits);
  }

  /** Sorted, reversed, equal and saw-toothed scores of a real vocabulary's size. */
  @Test
  void largeVocabularies() {
    int n = 151_936;
    var sampler = new Sampler(SAMPLING.withTopP(0.5f), n);
    var flat = new float[n];
    assertEquals(n / 2, sampler.keptTokens(flat, n).length);
    for (int pattern = 0; pattern < 3; pattern++) {
      for (int i = 0; i < n; i++) {
        flat[i] = (pattern == 0 ? i : pattern == 1 ? n - i : i % 1000) * 1e-7f;
      }
      int kept = sampler.keptTokens(flat, n).length;
      assertTrue(kept > n * 0.49 && kept < n * 0.51, "kept " + kept);
    }
  }

  @Test
  void samplingAllocatesNothing() {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    var logits = logits(9, 5000, 0x1p-17, 0);
    var sampler =
        new Sampler(
            SAMPLING.withTopK(500).withTopP(0.9f).withMinP(0.001f).withRepetitionPenalty(1.1f),
            5000);
    long sum = 0;
    for (int i = 0; i < 200; i++) {
      sum += round(sampler, logits, i);
    }
    long before = threads.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < 100; i++) {
      sum += round(sampler, logits, i);
    }
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(sum >= 0);
    assertTrue(allocated < 1000, allocated + " bytes in 100 calls");
  }

  private static int round(Sampler sampler, float[] logits, int position) {
    sampler.penalize(logits, logits.length);
    int token = sampler.sample(logits, logits.length, 0, position);
    sampler.seen(token);
    return token;
  }
}
