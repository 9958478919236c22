package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.compute.TrainingBackend.Heads;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every backward operation against central differences: the loss is a random weighting of the
 * forward operation's output, and moves along random directions as the gradient says.
 */
class TrainingGradientsTest {
  private static final float STEP = 2e-2f;
  private static final double TOLERANCE = 1e-3; // of what is expected of such a derivative
  private static final double NOISE = 1e-4; // of f32 sums, divided by the step
  private static final int SMALL = 300; // elements of what is checked one by one
  private static final float EPS = 1e-5f;
  private static final float HEAD_EPS =
      0.3f; // a head of two may be so short as to be all curvature

  private final Random random = new Random(7);
  private @Nullable Backend backend;
  private @Nullable Memory memory;
  private @Nullable TrainingBackend ops;

  static Stream<String> backends() {
    return Backends.trainers().stream();
  }

  static Stream<Arguments> sizes() {
    return backends()
        .flatMap(
            b ->
                Stream.of(
                        new int[] {1, 5, 3},
                        new int[] {1, 63, 7},
                        new int[] {3, 7, 33},
                        new int[] {13, 33, 5},
                        new int[] {13, 63, 40})
                    .map(s -> Arguments.of(b, s[0], s[1], s[2])));
  }

  static Stream<Arguments> attentions() {
    return backends()
        .flatMap(
            b ->
                Stream.of(
                    Arguments.of(b, new Heads(1, 1, 2), 1000),
                    Arguments.of(b, new Heads(6, 2, 6), 1000),
                    Arguments.of(b, new Heads(3, 1, 34), 1000),
                    Arguments.of(b, new Heads(5, 5, 6), 1),
                    Arguments.of(b, new Heads(4, 2, 6), 5)));
  }

  private void open(String name) {
    backend = Backends.open(name, 2);
    memory = backend.newMemory();
    ops = backend.training();
  }

  @AfterEach
  void close() {
    memory().close();
    if (backend != null) {
      backend.close();
    }
  }

  private Memory memory() {
    return Objects.requireNonNull(memory);
  }

  private TrainingBackend ops() {
    return Objects.requireNonNull(ops);
  }

  private Tensor random(int rows, int cols) {
    Tensor t = memory().allocate(rows, cols);
    float[] values = new float[rows * cols];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    ops().backend().write(values, t, 0, rows);
    return t;
  }

  private float[] values(Tensor t) {
    float[] values = new float[t.rows() * t.cols()];
    ops().backend().read(t, 0, values, t.rows());
    return values;
  }

  private double dot(Tensor a, Tensor b, int rows) {
    float[] x = values(a);
    float[] y = values(b);
    double sum = 0;
    for (int i = 0; i < rows * a.cols(); i++) {
      sum += (double) x[i] * y[i];
    }
    return sum;
  }

  /**
   * Moves x along random directions, and element by element where it is small, and holds the loss
   * against the gradient.
   */
  private void check(String what, Tensor x, float[] gradient, DoubleSupplier loss) {
    int n = gradient.length;
    double squares = 0;
    for (float g : gradient) {
      squares += (double) g * g;
    }
    double typical = Math.sqrt(squares / n); // size of one element
    for (int trial = 0; trial < 4; trial++) {
      float[] direction = new float[n];
      double expected = 0;
      for (int i = 0; i < n; i++) {
        direction[i] = (float) random.nextGaussian();
        expected += (double) gradient[i] * direction[i];
      }
      double tolerance = TOLERANCE * typical * Math.sqrt(n) + NOISE;
      assertEquals(derivative(x, direction, loss), expected, tolerance, what);
    }
    for (int i = 0; i < n && n <= SMALL; i++) {
      float[] direction = new float[n];
      direction[i] = 1;
      double tolerance = TOLERANCE * (typical + Math.abs(gradient[i])) + NOISE;
      assertEquals(derivative(x, direction, loss), gradient[i], tolerance, what + " at " + i);
    }
  }

  /** Central differences of the fourth order. */
  private double derivative(Tensor x, float[] direction, DoubleSupplier loss) {
    float[] start = values(x);
    double squares = 0;
    for (float d : direction) {
      squares += (double) d * d;
    }
    float step = STEP / (float) Math.max(1, Math.sqrt(squares) / 8);
    double[] losses = new double[4];
    for (int k = 0; k < 4; k++) {
      int steps = k < 2 ? k - 2 : k - 1; // -2, -1, 1, 2
      float[] moved = new float[start.length];
      for (int i = 0; i < start.length; i++) {
        moved[i] = start[i] + steps * step * direction[i];
      }
      ops().backend().write(moved, x, 0, x.rows());
      losses[k] = loss.getAsDouble();
    }
    ops().backend().write(start, x, 0, x.rows());
    return (8 * (losses[2] - losses[1]) - (losses[3] - losses[0])) / (12 * step);
  }

  /** What an operation adds to a tensor that holds something already. */
  private float[] added(Tensor gradient, Runnable operation) {
    float[] before = values(gradient);
    operation.run();
    return difference(gradient, before);
  }

  private float[] difference(Tensor after, float[] before) {
    float[] difference = values(after);
    for (int i = 0; i < difference.length; i++) {
      difference[i] -= before[i];
    }
    return difference;
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void projection(String name, int rows, int in, int out) {
    open(name);
    Tensor x = random(rows, in);
    Tensor w = random(out, in);
    Tensor bias = random(1, out);
    Tensor y = random(rows, out);
    Tensor dy = random(rows, out);
    Tensor dx = random(rows, in);
    DoubleSupplier loss =
        () -> {
          ops().project(x, rows, w, bias, null, y);
          return dot(y, dy, rows);
        };
    check("x", x, added(dx, () -> ops().projectInput(dy, rows, w, true, dx)), loss);
    ops().projectInput(dy, rows, w, false, dx);
    check("x, set", x, values(dx), loss);
    Tensor dw = random(out, in);
    Tensor dBias = random(1, out);
    check("w", w, added(dw, () -> ops().projectWeights(dy, x, rows, dw, null)), loss);
    check("bias", bias, added(dBias, () -> ops().projectWeights(dy, x, rows, dw, dBias)), loss);
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void norm(String name, int rows, int width, int unused) {
    open(name);
    Tensor x = random(rows, width);
    Tensor w = random(1, width);
    Tensor y = random(rows, width);
    Tensor dy = random(rows, width);
    Tensor dx = random(rows, width);
    Tensor dw = random(1, width);
    DoubleSupplier loss =
        () -> {
          ops().norm(x, rows, w, EPS, y);
          return dot(y, dy, rows);
        };
    check("w", w, added(dw, () -> ops().normBackward(dy, x, rows, w, EPS, false, dx, dw)), loss);
    check("x, set", x, values(dx), loss);
    check("x", x, added(dx, () -> ops().normBackward(dy, x, rows, w, EPS, true, dx, null)), loss);
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void gate(String name, int rows, int width, int unused) {
    open(name);
    Tensor x = random(rows, 2 * width);
    Tensor y = random(rows, width);
    Tensor dy = random(rows, width);
    Tensor dx = random(rows, 2 * width);
    ops().gateBackward(dy, x, rows, dx);
    check(
        "x",
        x,
        values(dx),
        () -> {
          ops().gate(x, rows, y);
          return dot(y, dy, rows);
        });
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void multipliedRow(String name, int rows, int width, int unused) {
    open(name);
    Tensor row = random(3, width);
    Tensor by = random(rows, width);
    Tensor out = random(rows + 2, width);
    Tensor dOut = random(rows + 2, width);
    Tensor dRow = random(4, width);
    Tensor dBy = random(rows, width);
    DoubleSupplier loss =
        () -> {
          ops().zero(out, rows + 2);
          ops().multiplyRow(row, 1, by, rows, out, 2);
          return dot(out, dOut, rows + 2);
        };
    float[] byGradient =
        added(dBy, () -> ops().multiplyRowBackward(dOut, 2, row, 1, by, rows, dRow, 3, dBy));
    check("by", by, byGradient, loss);
    float[] rowGradient = new float[3 * width];
    System.arraycopy(values(dRow), 3 * width, rowGradient, width, width);
    check("row", row, rowGradient, loss);
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void logProbabilities(String name, int rows, int unused, int vocabulary) {
    open(name);
    Tensor logits = random(rows, vocabulary);
    int[] targets = new int[rows + 1];
    float[] weights = new float[rows + 1];
    for (int i = 1; i <= rows; i++) {
      targets[i] = random.nextInt(vocabulary);
      weights[i] = (float) random.nextGaussian();
    }
    float[] logprobs = new float[rows + 1];
    float[] normalisers = new float[rows + 1];
    DoubleSupplier loss =
        () -> {
          ops().logProbabilities(logits, rows, targets, 1, logprobs, normalisers, null);
          double sum = 0;
          for (int i = 1; i <= rows; i++) {
            sum += (double) weights[i] * logprobs[i];
          }
          return sum;
        };
    assertTrue(Double.isFinite(loss.getAsDouble()));
    float[] before = values(logits);
    ops().logProbabilitiesBackward(logits, rows, targets, 1, normalisers, weights);
    float[] gradient = values(logits);
    ops().backend().write(before, logits, 0, rows);
    check("logits", logits, gradient, loss);
  }

  /** Without prefixes, and with them. */
  private static List<PackedBatch> batches() {
    PackedBatch one = new PackedBatch();
    one.add(1);
    PackedBatch plain = new PackedBatch();
    plain.add(3);
    plain.addChild(2, plain.add(13));
    return List.of(one, plain, PackedBatches.mixed());
  }

  @ParameterizedTest
  @MethodSource("attentions")
  void rotation(String name, Heads heads, int unused) {
    open(name);
    for (PackedBatch batch : batches()) {
      for (int norms = 0; norms < 4; norms++) {
        rotation(batch, heads, (norms & 1) != 0, (norms & 2) != 0);
      }
    }
  }

  private void rotation(PackedBatch batch, Heads heads, boolean queries, boolean keys) {
    int rows = batch.rows();
    int dim = heads.headDim();
    Tensor raw = random(rows, heads.columns());
    Tensor rope = rope(batch.positions(), dim);
    Tensor query = queries ? random(1, dim) : null;
    Tensor key = keys ? random(1, dim) : null;
    Tensor qkv = random(rows, heads.columns());
    Tensor weights = random(rows, heads.columns());
    DoubleSupplier loss =
        () -> {
          ops().rotate(raw, batch, heads, query, key, HEAD_EPS, rope, qkv);
          return dot(qkv, weights, rows);
        };
    Tensor d = memory().allocate(rows, heads.columns());
    Tensor dQuery = queries ? random(1, dim) : null;
    Tensor dKey = keys ? random(1, dim) : null;
    float[] queryBefore = dQuery == null ? new float[0] : values(dQuery);
    float[] keyBefore = dKey == null ? new float[0] : values(dKey);
    ops().backend().copyRows(weights, 0, d, 0, rows);
    ops().rotateBackward(d, raw, batch, heads, query, key, HEAD_EPS, rope, dQuery, dKey);
    float[] gradient = values(d);
    check("raw", raw, gradient, loss);
    if (query != null && dQuery != null) {
      check("query norm", query, difference(dQuery, queryBefore), loss);
    }
    if (key != null && dKey != null) {
      check("key norm", key, difference(dKey, keyBefore), loss);
    }
    ops().backend().copyRows(weights, 0, d, 0, rows);
    ops().rotateBackward(d, raw, batch, heads, query, key, HEAD_EPS, rope, null, null);
    assertArrayEquals(gradient, values(d), "norms whose gradients are not wanted");
  }

  /** Cosines and sines of random angles. */
  private Tensor rope(int positions, int dim) {
    Tensor rope = random(positions, dim);
    float[] angles = values(rope);
    int half = dim / 2;
    for (int p = 0; p < positions; p++) {
      for (int i = p * dim; i < p * dim + half; i++) {
        float angle = angles[i];
        angles[i] = (float) Math.cos(angle);
        angles[i + half] = (float) Math.sin(angle);
      }
    }
    ops().backend().write(angles, rope, 0, positions);
    return rope;
  }

  @ParameterizedTest
  @MethodSource("attentions")
  void attention(String name, Heads heads, int window) {
    open(name);
    for (PackedBatch batch : batches()) {
      attention(batch, heads, window, null);
    }
    attention(PackedBatches.mixed(), heads, window, PackedBatches.some(PackedBatches.mixed()));
  }

  private void attention(PackedBatch batch, Heads heads, int window, int @Nullable [] wanted) {
    int rows = batch.rows();
    int results = wanted == null ? rows : wanted.length;
    int width = heads.heads() * heads.headDim();
    boolean prefixed = batch.prefixRows(batch.runs() - 1) > 0;
    Tensor qkv = random(rows, heads.columns());
    Tensor prefix = prefixed ? random(PackedBatches.PREFIX_ROWS, heads.columns()) : null;
    Tensor out = random(results, width);
    Tensor normalisers = random(results, heads.heads());
    Tensor weights = random(results, width);
    Tensor d = random(rows, heads.columns());
    DoubleSupplier loss =
        () -> {
          ops().attend(qkv, prefix, batch, heads, window, wanted, out, normalisers);
          return dot(out, weights, results);
        };
    assertTrue(Double.isFinite(loss.getAsDouble()));
    ops().attendBackward(weights, qkv, prefix, batch, heads, window, wanted, out, normalisers, d);
    check("qkv", qkv, values(d), loss);
  }

  /** Gathering and scattering are each other's transposes. */
  @ParameterizedTest
  @MethodSource("sizes")
  void movedRows(String name, int rows, int width, int vocabulary) {
    open(name);
    int[] at = new int[rows + 1];
    for (int i = 0; i <= rows; i++) {
      at[i] = random.nextInt(vocabulary);
    }
    Tensor table = random(vocabulary, width);
    Tensor x = random(rows, width);
    Tensor dx = random(rows, width);
    Tensor dTable = random(vocabulary, width);
    DoubleSupplier gathered =
        () -> {
          ops().gather(table, at, 1, rows, x);
          return dot(x, dx, rows);
        };
    DoubleSupplier embedded =
        () -> {
          ops().backend().embed(table, at, 1, rows, x);
          return dot(x, dx, rows);
        };
    check(
        "gather", table, added(dTable, () -> ops().scatterAdd(dx, at, 1, rows, dTable)), gathered);
    check(
        "embed",
        table,
        added(dTable, () -> ops().embedBackward(dx, at, 1, rows, dTable)),
        embedded);
    DoubleSupplier scattered =
        () -> {
          ops().zero(table, vocabulary);
          ops().scatterAdd(x, at, 1, rows, table);
          return dot(table, dTable, vocabulary);
        };
    ops().gather(dTable, at, 1, rows, dx);
    check("scatterAdd", x, values(dx), scattered);
  }
}
