package io.lrt4j.evaluation.study;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.evaluation.EvaluationException;
import io.lrt4j.evaluation.study.Geometry.Cloud;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GeometryTest {
  /** Forty points around {@code centre}, spread by 3, 2 and 1 along three axes. */
  private static Cloud cloud(String name, long seed, float... centre) {
    var random = new SplittableRandom(seed);
    return new Cloud(
        name,
        IntStream.range(0, 40)
            .mapToObj(
                _ -> {
                  float[] point = new float[centre.length];
                  for (int i = 0; i < centre.length; i++) {
                    double spread = i < 3 ? 3 - i : 0;
                    point[i] = centre[i] + (float) (spread * random.nextGaussian());
                  }
                  return point;
                })
            .toList());
  }

  @Test
  void aPointIsTheMeanOfItsLatents() {
    assertArrayEquals(new float[] {2, 3}, Geometry.point(new float[][] {{1, 5}, {3, 1}}));
  }

  @Test
  void cosinesOfMeans() {
    var geometry =
        new Geometry(
            List.of(
                new Cloud("a", List.of(new float[] {1, 0}, new float[] {3, 0})),
                new Cloud("b", List.of(new float[] {0, 2}, new float[] {4, 2})),
                new Cloud("c", List.of(new float[] {0, -5}, new float[] {0, -1}))));
    var raw = geometry.cosines(false);
    assertEquals(Math.sqrt(0.5), raw[0][1].value(), 1e-12);
    assertEquals(0, raw[0][2].value(), 1e-12);
    assertEquals(raw[1][0].value(), raw[0][1].value());
    assertEquals(1, raw[0][0].value(), 1e-12); // (1, 0) and (3, 0)
    // b's points lie at -2 and 2 times sqrt(2)/8 along the gradient: variance of their mean 1/8;
    // a's lie across theirs
    double z = Math.log(1 + Math.sqrt(2)); // artanh(sqrt(1/2))
    assertEquals(Math.tanh(z - 1.96 * Math.sqrt(0.5)), raw[0][1].low(), 1e-4);
    assertEquals(Math.tanh(z + 1.96 * Math.sqrt(0.5)), raw[0][1].high(), 1e-4);

    // the means are (2, 0), (2, 2) and (0, -3), theirs is (4/3, -1/3)
    var centred = geometry.cosines(true);
    double dot = 2 / 3.0 * (2 / 3.0) + 1 / 3.0 * (7 / 3.0);
    double lengths = Math.hypot(2 / 3.0, 1 / 3.0) * Math.hypot(2 / 3.0, 7 / 3.0);
    assertEquals(dot / lengths, centred[0][1].value(), 1e-12);
    assertEquals(4, geometry.sections().get(1).table().rows().size() + 1);
  }

  /** The cosine of the true means lies in 95 % of the intervals, raw and centred. */
  @Test
  void intervalsHoldWhatTheySay() {
    int trials = 400;
    int[] held = new int[2];
    float[][] centres = {{4, 1, 0, 2, 1}, {1, 4, 1, 1, 0}, {-2, 0, 5, 1, 1}};
    double[] truth = {cosine(centres, 0), cosine(centres, 1 / 3f)};
    for (int trial = 0; trial < trials; trial++) {
      int seed = 3 * trial;
      var geometry =
          new Geometry(
              IntStream.range(0, 3).mapToObj(k -> cloud("" + k, seed + k, centres[k])).toList());
      for (int centred = 0; centred < 2; centred++) {
        var found = geometry.cosines(centred == 1)[0][1];
        assertTrue(found.low() < found.value() && found.value() < found.high());
        held[centred] += found.low() <= truth[centred] && truth[centred] <= found.high() ? 1 : 0;
      }
    }
    assertEquals(0.95, held[0] / (double) trials, 0.03);
    assertEquals(0.95, held[1] / (double) trials, 0.03);
  }

  /** Of the first two, less {@code share} of every one. */
  private static double cosine(float[][] centres, float share) {
    double[] sums = new double[3]; // u·v, u·u, v·v
    for (int i = 0; i < centres[0].length; i++) {
      double origin = share * ((double) centres[0][i] + centres[1][i] + centres[2][i]);
      double u = centres[0][i] - origin;
      double v = centres[1][i] - origin;
      sums[0] += u * v;
      sums[1] += u * u;
      sums[2] += v * v;
    }
    return sums[0] / Math.sqrt(sums[1] * sums[2]);
  }

  /** In five dimensions, of which two hold nearly everything. */
  @Test
  void theMapShowsWhereTheyDiffer() {
    Cloud a = cloud("a", 1, 0, 0, 0, 7, 7);
    Cloud b = cloud("b", 2, 30, 0, 0, 7, 7);
    var plane = new Geometry(List.of(a, b)).plane();
    assertTrue(plane.first() > 0.9, "first " + plane.first());
    assertTrue(
        plane.second() > 0.005 && plane.first() + plane.second() < 1, "second " + plane.second());
    double sign = Math.signum(plane.points().get(1).getFirst()[0]);
    for (int i = 0; i < 40; i++) {
      assertEquals(15, sign * plane.points().get(1).get(i)[0], 13);
      assertEquals(-15, sign * plane.points().get(0).get(i)[0], 13);
    }
    assertEquals(
        30,
        sign
            * (mean(plane.points().get(1).stream().mapToDouble(p -> p[0]).toArray())
                - mean(plane.points().get(0).stream().mapToDouble(p -> p[0]).toArray())),
        1.5);
  }

  private static double mean(double[] values) {
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).average().orElseThrow();
  }

  @Test
  void tooLittleToCompare() {
    Cloud a = cloud("a", 1, 0, 0, 0);
    assertThrows(EvaluationException.class, () -> new Geometry(List.of(a)));
    Cloud one = new Cloud("one", List.of(new float[3]));
    assertThrows(EvaluationException.class, () -> new Geometry(List.of(a, one)));
  }

  /** All in one place: nothing is divided by nothing. */
  @Test
  void pointsThatDoNotDiffer() {
    Cloud same = new Cloud("s", List.of(new float[] {1, 1}, new float[] {1, 1}));
    var plane = new Geometry(List.of(same, same)).plane();
    assertEquals(0, plane.first());
    assertArrayEquals(new double[] {0, 0}, plane.points().getFirst().getFirst());
  }
}
