package io.lrt4j.compute.cpu;

import static io.lrt4j.Accuracy.assertSameBits;
import static io.lrt4j.compute.cpu.Numbers.assertClose;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.compute.TrainingBackend.AdamW;
import io.lrt4j.compute.TrainingBackend.Heads;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What the operations of training say against formulas in f64 and against inference, which was
 * checked elsewhere; and that the runs of a packed batch see what they are to see, and nothing
 * else.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TrainingFormulasTest {
  private static final float EPS = 1e-6f;
  private static final int LAYERS = 1;
  private static final List<Heads> HEADS =
      List.of(new Heads(1, 1, 2), new Heads(3, 1, 6), new Heads(6, 2, 34));

  private final ScalarBackend scalar = new ScalarBackend();
  private final VectorBackend vector = new VectorBackend(2);
  private final GuardedMemory memory = new GuardedMemory();
  private final Numbers numbers = new Numbers(11);

  List<TrainingBackend> backends() {
    return List.of(scalar.training(), vector.training());
  }

  @AfterAll
  void close() {
    memory.close();
    vector.close();
  }

  private CpuTensor random(int rows, int cols) {
    return memory.filled(rows, cols, numbers.normal(rows * cols, 0, 1));
  }

  // --- against inference ------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("backends")
  void normsAndProjectionsAreThoseOfInference(TrainingBackend ops) {
    int rows = 13;
    CpuTensor x = random(rows, 63);
    CpuTensor norm = random(1, 63);
    CpuTensor w = random(33, 63);
    CpuTensor bias = random(1, 33);
    CpuTensor expected = memory.allocate(rows, 33);
    CpuLinear p = new CpuLinear(List.of(new CpuLinear.Part(w, bias)));
    scalar.normProject(x, rows, norm, EPS, p, expected);
    CpuTensor normed = memory.allocate(rows, 63);
    CpuTensor y = memory.allocate(rows, 33);
    ops.norm(x, rows, norm, EPS, normed);
    ops.project(normed, rows, w, bias, null, y);
    assertClose(Numbers.rows(expected, rows), Numbers.rows(y, rows), "norm and project");
    ops.project(normed, rows, w, bias, y, y);
    float[] twice = Numbers.rows(expected, rows);
    for (int i = 0; i < twice.length; i++) {
      twice[i] *= 2;
    }
    assertClose(twice, Numbers.rows(y, rows), "norm and project, added");
  }

  @ParameterizedTest
  @MethodSource("backends")
  void mlpIsThatOfInference(TrainingBackend ops) {
    int rows = 5;
    CpuTensor x = random(rows, 33);
    CpuTensor ones = memory.filled(1, 33, filled(33, 1));
    CpuTensor gateUp = random(2 * 13, 33);
    CpuTensor down = random(33, 13);
    CpuTensor expected = memory.filled(rows, 33, Numbers.rows(x, rows));
    scalar.gatedMlp(
        expected,
        rows,
        ones,
        EPS,
        new CpuLinear(
            List.of(
                new CpuLinear.Part(CpuTensor.of(ops.view(gateUp, 0, 13, 33)), null),
                new CpuLinear.Part(CpuTensor.of(ops.view(gateUp, 13L * 33, 13, 33)), null))),
        CpuLinear.of(down, null),
        memory.allocate(rows, 26));
    CpuTensor normed = memory.allocate(rows, 33);
    CpuTensor both = memory.allocate(rows, 26);
    CpuTensor hidden = memory.allocate(rows, 13);
    ops.norm(x, rows, ones, EPS, normed);
    ops.project(normed, rows, gateUp, null, null, both);
    ops.gate(both, rows, hidden);
    ops.project(hidden, rows, down, null, x, x);
    assertClose(Numbers.rows(expected, rows), Numbers.rows(x, rows), "gated MLP");
  }

  /** One plain sequence: rotation, norms of heads and attention over a K/V cache. */
  @ParameterizedTest
  @MethodSource("backends")
  void attentionIsThatOfInference(TrainingBackend ops) {
    int rows = 37;
    for (Heads h : HEADS) {
      CpuTensor raw = random(rows, h.columns());
      CpuTensor rope = random(rows, h.headDim());
      CpuTensor query = random(1, h.headDim());
      CpuTensor key = random(1, h.headDim());
      for (int window : new int[] {1, 5, Integer.MAX_VALUE}) {
        for (boolean normed : new boolean[] {false, true}) {
          CpuTensor q = normed ? query : null;
          CpuTensor k = normed ? key : null;
          String what = h + ", window " + window;
          int width = h.heads() * h.headDim();
          CpuTensor expected = memory.allocate(rows, width);
          CpuTensor rotated = memory.filled(rows, h.columns(), Numbers.rows(raw, rows));
          try (var store =
                  new KvStore(scalar, LAYERS, h.kvHeads(), h.headDim(), CacheMemory.unlimited());
              var cache = store.newCache()) {
            Batch batch = new Batch(1).add(cache, rows);
            scalar.ropeAndStore(rotated, batch, 0, q, k, EPS, rope);
            scalar.attend(rotated, batch, 0, h.heads(), window, expected);
          }
          PackedBatch batch = new PackedBatch();
          batch.add(rows);
          CpuTensor qkv = memory.allocate(rows, h.columns());
          CpuTensor out = memory.allocate(rows, width);
          ops.rotate(raw, batch, h, q, k, EPS, rope, qkv);
          assertClose(Numbers.rows(rotated, rows), Numbers.rows(qkv, rows), "rotation, " + what);
          ops.attend(qkv, null, batch, h, window, null, out, memory.allocate(rows, h.heads()));
          assertClose(Numbers.rows(expected, rows), Numbers.rows(out, rows), what);
        }
      }
    }
  }

  // --- packed batches ---------------------------------------------------------------------------

  /** Prefix, parent and child are one sequence: the same rows as a single run, forward and back. */
  @ParameterizedTest
  @MethodSource("backends")
  void familiesAreSequences(TrainingBackend ops) {
    for (Heads h : HEADS) {
      for (int[] lengths :
          new int[][] {{4, 3, 1}, {1, 1, 5}, {35, 33, 40}, {0, 7, 2}, {3, 64, 9}}) {
        for (int window : new int[] {1, 4, 34, Integer.MAX_VALUE}) {
          familyIsSequence(ops, h, lengths[0], lengths[1], lengths[2], window);
        }
      }
    }
  }

  private void familyIsSequence(
      TrainingBackend ops, Heads h, int before, int parent, int child, int window) {
    String what = h + ", " + before + " + " + parent + " + " + child + ", window " + window;
    int all = before + parent + child;
    int width = h.heads() * h.headDim();
    CpuTensor raw = random(all, h.columns());
    CpuTensor rope = random(all, h.headDim());
    float[] dOutRows = numbers.normal(all * width, 0, 1);
    Arrays.fill(dOutRows, 0, before * width, 0); // no gradient comes through a prefix
    CpuTensor dOut = memory.filled(all, width, dOutRows);
    PackedBatch flat = new PackedBatch();
    flat.add(all);
    Attention expected = attention(ops, flat, h, window, raw, null, rope, dOut);

    PackedBatch family = new PackedBatch();
    int stranger = family.add(2);
    int run = family.add(parent, 1, before);
    family.add(3);
    family.addChild(child, run);
    assertEquals(0, stranger);
    int own = family.rows();
    CpuTensor packed = random(own, h.columns());
    CpuTensor dPacked = random(own, width);
    CpuTensor prefix = random(before + 2, h.columns());
    scalar.copyRows(expected.qkv, 0, prefix, 1, before);
    scalar.copyRows(raw, before, packed, 2, parent);
    scalar.copyRows(raw, before + parent, packed, 5 + parent, child);
    scalar.copyRows(dOut, before, dPacked, 2, parent);
    scalar.copyRows(dOut, before + parent, dPacked, 5 + parent, child);
    Attention got = attention(ops, family, h, window, packed, prefix, rope, dPacked);

    for (boolean back : new boolean[] {false, true}) {
      CpuTensor e = back ? expected.dRaw : expected.out;
      CpuTensor g = back ? got.dRaw : got.out;
      CpuTensor found = memory.allocate(parent + child, e.cols());
      scalar.copyRows(g, 2, found, 0, parent);
      scalar.copyRows(g, 5 + parent, found, parent, child);
      CpuTensor wanted = memory.allocate(parent + child, e.cols());
      scalar.copyRows(e, before, wanted, 0, parent + child);
      assertClose(
          Numbers.rows(wanted, parent + child), Numbers.rows(found, parent + child), what + back);
    }
  }

  private record Attention(CpuTensor qkv, CpuTensor out, CpuTensor dRaw) {}

  /** Rotation and attention, forward and back. */
  private Attention attention(
      TrainingBackend ops,
      PackedBatch batch,
      Heads h,
      int window,
      CpuTensor raw,
      @Nullable Tensor prefix,
      CpuTensor rope,
      CpuTensor dOut) {
    int rows = batch.rows();
    CpuTensor qkv = memory.allocate(rows, h.columns());
    CpuTensor out = memory.allocate(rows, h.heads() * h.headDim());
    CpuTensor sums = memory.allocate(rows, h.heads());
    CpuTensor d = memory.allocate(rows, h.columns());
    ops.rotate(raw, batch, h, null, null, EPS, rope, qkv);
    ops.attend(qkv, prefix, batch, h, window, null, out, sums);
    ops.attendBackward(dOut, qkv, prefix, batch, h, window, null, out, sums, d);
    ops.rotateBackward(d, raw, batch, h, null, null, EPS, rope, null, null);
    return new Attention(qkv, out, d);
  }

  /**
   * Changes the rows, and then the incoming gradients, of one run after another: only that run and
   * its children give another result, only that run and its parent another gradient from another
   * incoming one, and everything else is the same to the last bit.
   */
  @ParameterizedTest
  @MethodSource("backends")
  void runsDoNotSeeEachOther(TrainingBackend ops) {
    for (PackedBatch batch : List.of(PackedBatches.mixed(), PackedBatches.longer())) {
      Heads h = new Heads(3, 1, 6);
      int rows = batch.rows();
      CpuTensor rope = random(batch.positions(), h.headDim());
      CpuTensor prefix = random(PackedBatches.PREFIX_ROWS, h.columns());
      float[] x = numbers.normal(rows * h.columns(), 0, 1);
      float[] dy = numbers.normal(rows * h.heads() * h.headDim(), 0, 1);
      CpuTensor raw = memory.filled(rows, h.columns(), x);
      CpuTensor dOut = memory.filled(rows, h.heads() * h.headDim(), dy);
      Attention before = attention(ops, batch, h, 50, raw, prefix, rope, dOut);
      for (int run = 0; run < batch.runs(); run++) {
        CpuTensor otherRaw = changed(raw, x, batch, run);
        Attention forward = attention(ops, batch, h, 50, otherRaw, prefix, rope, dOut);
        CpuTensor otherGradient = changed(dOut, dy, batch, run);
        Attention backward = attention(ops, batch, h, 50, raw, prefix, rope, otherGradient);
        for (int other = 0; other < batch.runs(); other++) {
          String what = ops.backend().name() + ": run " + run + " on run " + other;
          boolean child = batch.parent(other) == run;
          boolean parent = batch.parent(run) == other;
          boolean same = other == run;
          assertEquals(same || child, differs(before.out, forward.out, batch, other), what);
          if (!same) { // a row on its own has no gradient but its value's, whatever it holds
            assertEquals(child || parent, differs(before.dRaw, forward.dRaw, batch, other), what);
          }
          assertEquals(false, differs(before.out, backward.out, batch, other), what);
          assertEquals(same || parent, differs(before.dRaw, backward.dRaw, batch, other), what);
        }
      }
    }
  }

  /** The tensor with all rows of a run changed, by much. */
  private CpuTensor changed(CpuTensor like, float[] values, PackedBatch batch, int run) {
    float[] other = values.clone();
    for (int i = batch.firstRow(run) * like.cols();
        i < batch.firstRow(run + 1) * like.cols();
        i++) {
      other[i] = 1 - 3 * other[i];
    }
    return memory.filled(like.rows(), like.cols(), other);
  }

  private static boolean differs(CpuTensor a, CpuTensor b, PackedBatch batch, int run) {
    long from = a.row(batch.firstRow(run));
    long size = a.row(batch.length(run));
    return a.data().asSlice(from, size).mismatch(b.data().asSlice(from, size)) >= 0;
  }

  // --- rows, loss, optimiser --------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("backends")
  void rowsMove(TrainingBackend ops) {
    int[] at = {99, 2, 0, 2, 99};
    float[] table = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    float[] x = {10, 20, 30, 40, 50, 60, 70, 80, 90};
    float[] scattered = {41, 52, 63, 4, 5, 6, 87, 108, 129};
    CpuTensor to = memory.filled(3, 3, table);
    ops.scatterAdd(memory.filled(3, 3, x), at, 1, 3, to);
    assertArrayEquals(scattered, Numbers.rows(to, 3));
    to = memory.filled(3, 3, table);
    ops.embedBackward(memory.filled(3, 3, x), at, 1, 3, to);
    assertArrayEquals(scattered, Numbers.rows(to, 3));
    CpuTensor gathered = memory.allocate(3, 3);
    ops.gather(memory.filled(3, 3, table), at, 1, 3, gathered);
    assertArrayEquals(new float[] {7, 8, 9, 1, 2, 3, 7, 8, 9}, Numbers.rows(gathered, 3));
    to = memory.filled(3, 3, table);
    ops.addRows(memory.filled(3, 3, x), 0, to, 1, 2);
    assertArrayEquals(new float[] {1, 2, 3, 14, 25, 36, 47, 58, 69}, Numbers.rows(to, 3));
    ops.zero(to, 2);
    assertArrayEquals(new float[] {0, 0, 0, 0, 0, 0, 47, 58, 69}, Numbers.rows(to, 3));
    CpuTensor product = memory.filled(3, 3, table);
    ops.multiplyRow(memory.filled(3, 3, x), 1, memory.filled(3, 3, table), 2, product, 1);
    assertArrayEquals(new float[] {1, 2, 3, 40, 100, 180, 160, 250, 360}, Numbers.rows(product, 3));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void viewsShareTheirNumbers(TrainingBackend ops) {
    CpuTensor whole = memory.filled(2, 5, new float[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CpuTensor part = CpuTensor.of(ops.view(whole, 3, 3, 2));
    assertArrayEquals(new float[] {3, 4, 5, 6, 7, 8}, Numbers.rows(part, 3));
    part.set(2, 1, 80);
    assertEquals(80, whole.get(1, 3));
    assertThrows(IndexOutOfBoundsException.class, () -> ops.view(whole, 5, 3, 2));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void logProbabilitiesAndEntropies(TrainingBackend ops) {
    for (int vocabulary : new int[] {1, 5, 63, 1003}) {
      int rows = 7;
      float[] logits = numbers.normal(rows * vocabulary, 0, 5);
      for (int c = 0; c < vocabulary; c++) {
        logits[c] = 90; // all the same
        logits[vocabulary + c] += c == vocabulary / 2 ? 150 : 0; // one certain
        logits[2 * vocabulary + c] -= 1000;
      }
      int[] targets = new int[rows + 1];
      float[] got = new float[rows + 1];
      float[] normalisers = new float[rows + 1];
      float[] entropies = new float[rows + 1];
      for (int i = 1; i <= rows; i++) {
        targets[i] = numbers.below(vocabulary);
      }
      CpuTensor tensor = memory.filled(rows, vocabulary, logits);
      ops.logProbabilities(tensor, rows, targets, 1, got, normalisers, entropies);
      for (int i = 0; i < rows; i++) {
        double max = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < vocabulary; c++) {
          max = Math.max(max, logits[i * vocabulary + c]);
        }
        double sum = 0;
        for (int c = 0; c < vocabulary; c++) {
          sum += Math.exp(logits[i * vocabulary + c] - max);
        }
        double normaliser = max + Math.log(sum);
        double entropy = 0;
        for (int c = 0; c < vocabulary; c++) {
          double logp = logits[i * vocabulary + c] - normaliser;
          entropy -= Math.exp(logp) * logp;
        }
        String what = ops.backend().name() + ", " + vocabulary + ", row " + i;
        double target = logits[i * vocabulary + targets[i + 1]] - normaliser;
        assertEquals(target, got[i + 1], 1e-5 + 1e-6 * Math.abs(target), what);
        assertEquals(normaliser, normalisers[i + 1], 1e-5 + 1e-6 * Math.abs(normaliser), what);
        assertEquals(entropy, entropies[i + 1], 1e-5 + 1e-5 * entropy, what);
      }
      assertEquals(0, got[0] + normalisers[0] + entropies[0], "before the offset");
    }
  }

  /** Three steps, in f64. */
  @ParameterizedTest
  @MethodSource("backends")
  void adamwFollowsItsFormula(TrainingBackend ops) {
    int n = 207;
    double lr = 0.01;
    double scale = 0.25;
    AdamW settings = new AdamW(0.9f, 0.95f, 1e-6f, 0.2f);
    float[] start = numbers.normal(n, 0, 1);
    CpuTensor p = memory.filled(3, n / 3, start);
    CpuTensor m = memory.filled(3, n / 3, new float[n]);
    CpuTensor v = memory.filled(3, n / 3, new float[n]);
    double[] value = new double[n];
    double[] mean = new double[n];
    double[] square = new double[n];
    for (int i = 0; i < n; i++) {
      value[i] = start[i];
    }
    for (int step = 1; step <= 3; step++) {
      float[] gradient = numbers.normal(n, 0.5, 3);
      gradient[5] = 0;
      ops.adamw(
          p, memory.filled(3, n / 3, gradient), m, v, settings, (float) lr, (float) scale, step);
      float[] got = Numbers.rows(p, 3);
      for (int i = 0; i < n; i++) {
        double g = scale * gradient[i];
        mean[i] = 0.9 * mean[i] + 0.1 * g;
        square[i] = 0.95 * square[i] + 0.05 * g * g;
        double first = mean[i] / (1 - Math.pow(0.9, step));
        double second = square[i] / (1 - Math.pow(0.95, step));
        value[i] = value[i] * (1 - lr * 0.2) - lr * first / (Math.sqrt(second) + 1e-6);
        assertEquals(value[i], got[i], 1e-6, "step " + step + ", element " + i);
      }
    }
    float[] means = Numbers.rows(m, 3);
    float[] squares = Numbers.rows(v, 3);
    for (int i = 0; i < n; i++) {
      assertEquals(mean[i], means[i], 1e-6);
      assertEquals(square[i], squares[i], 1e-6 * Math.max(1, square[i]));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sumsOfSquares(TrainingBackend ops) {
    float[] values = numbers.normal(20_001, 0, 1);
    double expected = 0;
    for (float value : values) {
      expected += (double) value * value;
    }
    CpuTensor x = memory.filled(1, values.length, values);
    assertEquals(expected, ops.sumOfSquares(x), 1e-6 * expected);
    x.set(0, 17_000, Float.NaN);
    assertTrue(Double.isNaN(ops.sumOfSquares(x)));
    x.set(0, 17_000, Float.NEGATIVE_INFINITY);
    assertEquals(Double.POSITIVE_INFINITY, ops.sumOfSquares(x));
    x.set(0, 17_000, 1e25f); // its square is no f32, but a number
    assertEquals(1e50, ops.sumOfSquares(x), 1e44);
    CpuTensor small = memory.filled(1, 33, filled(33, 1e-25f));
    assertEquals(33e-50, ops.sumOfSquares(small), 1e-55);
  }

  /** To nearest, ties to even, over to infinity; all numbers that bf16 has stay as they are. */
  @ParameterizedTest
  @MethodSource("backends")
  void roundingToBf16(TrainingBackend ops) {
    int[][] cases = {
      {0x3F800000, 0x3F800000}, // 1
      {0x3F807FFF, 0x3F800000}, // just below the middle
      {0x3F808000, 0x3F800000}, // a tie, even below
      {0x3F808001, 0x3F810000}, // just above
      {0x3F818000, 0x3F820000}, // a tie, even above
      {0xBF818000, 0xBF820000},
      {0x3FFFFFFF, 0x40000000}, // carries into the exponent
      {0x7F7FFFFF, 0x7F800000}, // the largest f32
      {0x7F800000, 0x7F800000}, // infinities
      {0xFF800000, 0xFF800000},
      {0x00000001, 0x00000000}, // subnormals
      {0x00008001, 0x00010000},
      {0x80000000, 0x80000000}, // -0
    };
    float[] in = new float[37];
    float[] expected = new float[37];
    for (int i = 0; i < in.length; i++) {
      in[i] = Float.intBitsToFloat(cases[i % cases.length][0]);
      expected[i] = Float.intBitsToFloat(cases[i % cases.length][1]);
    }
    CpuTensor to = memory.allocate(1, 37);
    ops.roundToBf16(memory.filled(1, 37, in), to);
    assertSameBits(expected, Numbers.row(to, 0), ops.backend().name());

    CpuTensor all = memory.tensor(DType.BF16, 1 << 8, 1 << 8, 0);
    CpuTensor same = memory.allocate(1 << 8, 1 << 8);
    for (int i = 0; i < 1 << 16; i++) {
      all.data().set(CpuTensor.SHORT, i * 2L, (short) i);
    }
    scalar.copyRows(all, 0, same, 0, 1 << 8);
    float[] before = Numbers.rows(same, 1 << 8);
    ops.roundToBf16(same, same);
    float[] after = Numbers.rows(same, 1 << 8);
    for (int i = 0; i < before.length; i++) {
      assertEquals(before[i], after[i]); // two NaNs count as equal
    }
    for (int nan : new int[] {0x7F800001, 0xFFFFFFFF, 0x7FC0DEAD, 0x7FFFFFFF}) {
      CpuTensor x = memory.filled(1, 33, filled(33, Float.intBitsToFloat(nan)));
      ops.roundToBf16(x, x);
      for (float value : Numbers.row(x, 0)) {
        assertTrue(Float.isNaN(value), Integer.toHexString(nan));
      }
    }
  }

  private static float[] filled(int n, float value) {
    float[] values = new float[n];
    Arrays.fill(values, value);
    return values;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void belongsToItsBackend(TrainingBackend ops) {
    Backend backend = ops.backend();
    assertSame(ops, backend.training());
  }
}
