package io.lrt4j.compute.cpu;

import static io.lrt4j.Accuracy.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.Fuzz;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.compute.TrainingBackend.AdamW;
import io.lrt4j.compute.TrainingBackend.Heads;
import io.lrt4j.compute.TrainingBackend.Matrix;
import io.lrt4j.compute.TrainingBackend.Muon;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Every operation of training on {@code vector} against {@code scalar}: outputs poisoned, guards
 * around every buffer, rows to spare that must stay as they are, and the same bits for every number
 * of threads.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TrainingOperationsTest {
  private static final int[] SIZES = {1, 13, 63, 207};
  private static final int SPARE = 3;
  private static final AdamW ADAMW = new AdamW(0.9f, 0.99f, 1e-8f, 0.1f);

  private final ScalarBackend scalar = new ScalarBackend();
  private final List<VectorBackend> vectors = new ArrayList<>();

  @BeforeAll
  void open() {
    for (int threads = 1; threads <= 3; threads++) {
      vectors.add(new VectorBackend(threads));
    }
  }

  @AfterAll
  void close() {
    vectors.forEach(VectorBackend::close);
  }

  /** The tensors of one case: inputs once for all backends, outputs anew for each. */
  private static final class Case implements AutoCloseable {
    final Numbers numbers;
    private final GuardedMemory memory = new GuardedMemory();
    private final List<float[]> before = new ArrayList<>(); // of each output, in order
    private final List<Output> outputs = new ArrayList<>();
    private final List<float[]> more = new ArrayList<>();

    private record Output(CpuTensor tensor, int rows) {}

    Case(long seed) {
      numbers = new Numbers(seed);
    }

    /** Random numbers in a tensor that must not change, at the alignment of some view. */
    CpuTensor input(int rows, int cols) {
      return input(rows, cols, numbers.normal(rows * cols, 0, 1));
    }

    CpuTensor input(int rows, int cols, float[] values) {
      CpuTensor tensor = memory.tensor(DType.F32, rows, cols, 4 * numbers.below(16));
      for (int i = 0; i < values.length; i++) {
        Numbers.store(tensor, i, values[i]);
      }
      memory.record(tensor);
      return tensor;
    }

    /** A tensor whose first rows the operation is to set. */
    CpuTensor set(int rows, int cols) {
      CpuTensor tensor = memory.allocate(rows + SPARE, cols);
      outputs.add(new Output(tensor, rows));
      return tensor;
    }

    /** A tensor whose first rows hold the same random numbers on every backend. */
    CpuTensor change(int rows, int cols) {
      if (before.size() <= outputs.size()) {
        for (int i = before.size(); i < outputs.size(); i++) {
          before.add(new float[0]);
        }
        before.add(numbers.normal(rows * cols, 0, 1));
      }
      CpuTensor tensor = memory.filled(rows + SPARE, cols, before.get(outputs.size()));
      outputs.add(new Output(tensor, rows));
      return tensor;
    }

    /** A result that is no tensor. */
    float[] array(int n) {
      float[] values = new float[n];
      more.add(values);
      return values;
    }

    List<float[]> results(String where) {
      memory.check(where);
      List<float[]> results = new ArrayList<>();
      for (Output output : outputs) {
        GuardedMemory.checkPoison(output.tensor, output.rows, where);
        results.add(Numbers.rows(output.tensor, output.rows));
      }
      results.addAll(more);
      outputs.clear();
      more.clear();
      return results;
    }

    @Override
    public void close() {
      memory.close();
    }
  }

  /** Runs an operation on every backend and compares what it leaves. */
  private void compare(String what, Case c, Consumer<TrainingBackend> operation) {
    operation.accept(scalar.training());
    List<float[]> expected = c.results(what + " on scalar");
    List<float[]> first = List.of();
    for (VectorBackend vector : vectors) {
      String where = what + " on " + vector.describe();
      operation.accept(vector.training());
      List<float[]> got = c.results(where);
      first = first.isEmpty() ? got : first;
      assertEquals(expected.size(), got.size());
      for (int i = 0; i < got.size(); i++) {
        Numbers.assertClose(expected.get(i), got.get(i), where + ", result " + i);
        assertSameBits(first.get(i), got.get(i), where + ", result " + i);
      }
    }
    c.before.clear();
  }

  /** Rows × columns in all combinations. */
  private static List<int[]> shapes() {
    List<int[]> shapes = new ArrayList<>();
    for (int rows : SIZES) {
      for (int cols : SIZES) {
        shapes.add(new int[] {rows, cols});
      }
    }
    return shapes;
  }

  @Test
  void projections() {
    for (int i = 0; i < SIZES.length; i++) {
      for (int j = 0; j < SIZES.length; j++) {
        for (int k = 0; k < SIZES.length; k++) {
          if (Fuzz.runs(i, j, k)) {
            projections(SIZES[i], SIZES[j], SIZES[k]);
          }
        }
      }
    }
    projections(13, 600, 70); // an inner dimension of several blocks, in every one of the three
    projections(600, 13, 70);
    projections(13, 70, 600);
    projections(64, 256, 64);
  }

  private void projections(int rows, int in, int out) {
    String what = "[" + rows + ", " + in + "] to " + out;
    try (Case c = new Case(rows + in + out)) {
      CpuTensor x = c.input(rows + SPARE, in);
      CpuTensor w = c.input(out, in);
      CpuTensor bias = c.input(1, out);
      CpuTensor dy = c.input(rows + SPARE, out);
      compare("project " + what, c, b -> b.project(x, rows, w, null, null, c.set(rows, out)));
      compare("project+b " + what, c, b -> b.project(x, rows, w, bias, null, c.set(rows, out)));
      compare("dy+project+b " + what, c, b -> b.project(x, rows, w, bias, dy, c.set(rows, out)));
      compare(
          "+project " + what,
          c,
          b -> {
            CpuTensor y = c.change(rows, out);
            b.project(x, rows, w, null, y, y);
          });
      compare("projectInput " + what, c, b -> b.projectInput(dy, rows, w, false, c.set(rows, in)));
      compare(
          "+projectInput " + what, c, b -> b.projectInput(dy, rows, w, true, c.change(rows, in)));
      compare(
          "projectWeights " + what,
          c,
          b -> b.projectWeights(dy, x, rows, exactly(c, out, in), exactly(c, 1, out)));
      compare(
          "projectWeights without bias " + what,
          c,
          b -> b.projectWeights(dy, x, rows, exactly(c, out, in), null));
    }
  }

  /** A tensor to change that has no rows to spare: a parameter's gradient. */
  private static CpuTensor exactly(Case c, int rows, int cols) {
    CpuTensor roomy = c.change(rows, cols);
    return new CpuTensor(DType.F32, rows, cols, roomy.data().asSlice(0, (long) rows * cols * 4));
  }

  @Test
  void norm() {
    for (int[] shape : shapes()) {
      int rows = shape[0];
      int n = shape[1];
      String what = "[" + rows + ", " + n + "]";
      float eps = n == 1 ? 0.3f : 1e-6f; // with one column and no epsilon, dx is 0
      try (Case c = new Case(rows + n)) {
        CpuTensor x = c.input(rows + SPARE, n);
        CpuTensor w = c.input(1, n);
        CpuTensor dy = c.input(rows + SPARE, n);
        compare("norm " + what, c, b -> b.norm(x, rows, w, eps, c.set(rows, n)));
        compare(
            "normBackward " + what,
            c,
            b -> b.normBackward(dy, x, rows, w, eps, false, c.set(rows, n), exactly(c, 1, n)));
        compare(
            "+normBackward " + what,
            c,
            b -> b.normBackward(dy, x, rows, w, eps, true, c.change(rows, n), null));
      }
    }
  }

  /** Also where the exponential function leaves the range of f32. */
  @Test
  void gate() {
    for (int[] shape : shapes()) {
      int rows = shape[0];
      int n = shape[1];
      String what = "[" + rows + ", " + n + "]";
      try (Case c = new Case(rows + n)) {
        float[] values = c.numbers.normal((rows + SPARE) * 2 * n, 0, 2);
        if (n > 1) {
          values[0] = -200;
          values[n / 2] = 200;
          values[n - 1] = -89;
        }
        CpuTensor gateUp = c.input(rows + SPARE, 2 * n, values);
        CpuTensor dHidden = c.input(rows + SPARE, n);
        compare("gate " + what, c, b -> b.gate(gateUp, rows, c.set(rows, n)));
        compare(
            "gateBackward " + what,
            c,
            b -> b.gateBackward(dHidden, gateUp, rows, c.set(rows, 2 * n)));
      }
    }
  }

  @Test
  void rows() {
    for (int[] shape : shapes()) {
      int rows = shape[0];
      int n = shape[1];
      String what = " [" + rows + ", " + n + "]";
      try (Case c = new Case(rows + n)) {
        int[] at = new int[rows + 2];
        for (int i = 0; i < at.length; i++) {
          at[i] = c.numbers.below(17); // some more than once
        }
        CpuTensor x = c.input(rows + SPARE, n);
        CpuTensor table = c.input(17, n);
        compare("embedBackward" + what, c, b -> b.embedBackward(x, at, 2, rows, c.change(17, n)));
        compare("scatterAdd" + what, c, b -> b.scatterAdd(x, at, 1, rows, c.change(17, n)));
        compare("gather" + what, c, b -> b.gather(table, at, 2, rows, c.set(rows, n)));
        compare("addRows" + what, c, b -> b.addRows(x, 2, c.change(rows + 5, n), 4, rows));
        compare("zero" + what, c, b -> b.zero(c.set(rows, n), rows));
        compare(
            "multiplyRow" + what,
            c,
            b -> b.multiplyRow(table, 5, x, rows, c.change(rows + 4, n), 2));
        CpuTensor dOut = c.input(rows + 4, n);
        compare(
            "multiplyRowBackward" + what,
            c,
            b ->
                b.multiplyRowBackward(
                    dOut, 2, table, 5, x, rows, c.change(4, n), 3, c.change(rows, n)));
      }
    }
  }

  @Test
  void logProbabilities() {
    for (int count : new int[] {1, 13, 63}) {
      for (int vocabulary : new int[] {1, 13, 63, 207, 5003}) {
        String what = "logProbabilities [" + count + ", " + vocabulary + "]";
        try (Case c = new Case(count + vocabulary)) {
          int[] targets = new int[count + 2];
          for (int i = 0; i < targets.length; i++) {
            targets[i] = c.numbers.below(vocabulary);
          }
          CpuTensor logits =
              c.input(
                  count + SPARE, vocabulary, c.numbers.normal((count + SPARE) * vocabulary, 30, 4));
          float[] weights = c.numbers.normal(count + 2, 0, 1);
          float[] logSumExp = new float[count + 2];
          compare(
              what,
              c,
              b -> {
                float[] sums = c.array(count + 2);
                b.logProbabilities(
                    logits, count, targets, 2, c.array(count + 2), sums, c.array(count + 2));
                System.arraycopy(sums, 0, logSumExp, 0, sums.length);
              });
          compare(
              what + " without entropies",
              c,
              b ->
                  b.logProbabilities(
                      logits, count, targets, 2, c.array(count + 2), c.array(count + 2), null));
          compare(
              what + ", backward",
              c,
              b -> {
                CpuTensor d = c.set(count, vocabulary);
                scalar.copyRows(logits, 0, d, 0, count);
                b.logProbabilitiesBackward(d, count, targets, 2, logSumExp, weights);
              });
        }
      }
    }
  }

  @Test
  void optimiser() {
    for (int[] shape : new int[][] {{1, 1}, {13, 63}, {63, 13}, {207, 207}}) {
      int rows = shape[0];
      int n = shape[1];
      String what = " [" + rows + ", " + n + "]";
      try (Case c = new Case(rows + n)) {
        CpuTensor g = c.input(rows, n);
        float[] squares = c.numbers.normal(rows * n, 0, 1);
        for (int i = 0; i < squares.length; i++) {
          squares[i] *= squares[i];
        }
        compare(
            "adamw" + what,
            c,
            b -> {
              CpuTensor v = exactly(c, rows, n);
              scalar.write(squares, v, 0, rows);
              b.adamw(exactly(c, rows, n), g, exactly(c, rows, n), v, ADAMW, 1e-2f, 0.5f, 3);
            });
        compare("sumOfSquares" + what, c, b -> c.array(1)[0] = (float) b.sumOfSquares(g));
        compare("roundToBf16" + what, c, b -> b.roundToBf16(g, exactly(c, rows, n)));
        CpuTensor from = c.input(1, rows * n);
        compare(
            "roundToBf16 in place" + what,
            c,
            b -> {
              CpuTensor x = exactly(c, 1, rows * n);
              scalar.copyRows(from, 0, x, 0, 1);
              b.roundToBf16(x, x);
            });
      }
    }
  }

  /** Matrices of all kinds in one call: a number, a row, wide, tall and square ones. */
  @Test
  void muon() {
    int[][] shapes = {{1, 1}, {1, 13}, {13, 63}, {63, 13}, {40, 70}, {65, 65}};
    try (Case c = new Case(shapes.length)) {
      List<CpuTensor> gradients =
          Stream.of(shapes).map(shape -> c.input(shape[0], shape[1])).toList();
      compare(
          "muon",
          c,
          b -> {
            List<Matrix> matrices = new ArrayList<>();
            for (CpuTensor g : gradients) {
              int rows = g.rows();
              int cols = g.cols();
              matrices.add(new Matrix(exactly(c, rows, cols), g, exactly(c, rows, cols)));
            }
            b.muon(matrices, new Muon(0.95f, 0.1f), 0.5f, 3);
          });
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 2", "3, 1, 6", "5, 5, 34", "6, 2, 32", "14, 2, 64", "4, 4, 66"})
  void rotation(int heads, int kvHeads, int headDim) {
    Heads h = new Heads(heads, kvHeads, headDim);
    List<PackedBatch> batches = new ArrayList<>(PackedBatches.plain());
    batches.add(PackedBatches.mixed());
    batches.add(PackedBatches.longer());
    for (PackedBatch batch : batches) {
      int rows = batch.rows();
      String what = h + ", rows " + rows;
      try (Case c = new Case(rows)) {
        CpuTensor raw = c.input(rows + SPARE, h.columns());
        CpuTensor d = c.input(rows, h.columns());
        CpuTensor rope = c.input(batch.positions(), headDim);
        CpuTensor query = c.input(1, headDim);
        CpuTensor key = c.input(1, headDim);
        for (int norms = 0; norms < 4; norms++) {
          CpuTensor q = (norms & 1) == 0 ? null : query;
          CpuTensor k = (norms & 2) == 0 ? null : key;
          compare(
              "rotate " + what,
              c,
              b -> b.rotate(raw, batch, h, q, k, 1e-2f, rope, c.set(rows, h.columns())));
          compare(
              "rotateBackward " + what,
              c,
              b -> {
                CpuTensor dqkv = c.set(rows, h.columns());
                scalar.copyRows(d, 0, dqkv, 0, rows);
                CpuTensor dQuery = q == null ? null : exactly(c, 1, headDim);
                CpuTensor dKey = k == null ? null : exactly(c, 1, headDim);
                b.rotateBackward(dqkv, raw, batch, h, q, k, 1e-2f, rope, dQuery, dKey);
              });
        }
        compare(
            "rotateBackward, fixed norms, " + what,
            c,
            b -> {
              CpuTensor dqkv = c.set(rows, h.columns());
              scalar.copyRows(d, 0, dqkv, 0, rows);
              b.rotateBackward(dqkv, raw, batch, h, query, key, 1e-2f, rope, null, null);
            });
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 2", "3, 1, 6", "5, 5, 34", "6, 2, 32", "14, 2, 64", "4, 4, 66"})
  void attention(int heads, int kvHeads, int headDim) {
    Heads h = new Heads(heads, kvHeads, headDim);
    for (int window : new int[] {1, 2, 7, 40, Integer.MAX_VALUE}) {
      for (PackedBatch batch : PackedBatches.plain()) {
        attention(batch, h, window, false, null);
      }
      PackedBatch mixed = PackedBatches.mixed();
      attention(mixed, h, window, true, null);
      attention(mixed, h, window, true, PackedBatches.some(mixed));
    }
  }

  @Test
  void longAttention() {
    for (int window : new int[] {1, 33, 64, 100, Integer.MAX_VALUE}) {
      PackedBatch longer = PackedBatches.longer();
      attention(longer, new Heads(3, 1, 18), window, true, null);
      attention(longer, new Heads(3, 1, 18), window, true, PackedBatches.some(longer));
    }
  }

  private void attention(
      PackedBatch batch, Heads h, int window, boolean prefixed, int @Nullable [] wanted) {
    int rows = batch.rows();
    int n = wanted == null ? rows : wanted.length;
    int width = h.heads() * h.headDim();
    String what = "attend " + h + ", " + n + " of rows " + rows + ", window " + window;
    try (Case c = new Case(rows)) {
      CpuTensor qkv =
          c.input(
              rows + SPARE, h.columns(), c.numbers.normal((rows + SPARE) * h.columns(), 0.2, 1));
      @Nullable CpuTensor prefix =
          prefixed ? c.input(PackedBatches.PREFIX_ROWS, h.columns()) : null;
      compare(
          what,
          c,
          b ->
              b.attend(
                  qkv, prefix, batch, h, window, wanted, c.set(n, width), c.set(n, h.heads())));
      CpuTensor out = CpuTensor.of(c.memory.allocate(n, width));
      CpuTensor sums = CpuTensor.of(c.memory.allocate(n, h.heads()));
      scalar.training().attend(qkv, prefix, batch, h, window, wanted, out, sums);
      CpuTensor dOut = c.input(n + SPARE, width);
      compare(
          what + ", backward",
          c,
          b ->
              b.attendBackward(
                  dOut,
                  qkv,
                  prefix,
                  batch,
                  h,
                  window,
                  wanted,
                  out,
                  sums,
                  c.set(rows, h.columns())));
    }
  }
}
