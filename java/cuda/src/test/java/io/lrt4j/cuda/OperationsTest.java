package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Memory.Part;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.ScalarBackend;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every row-wise operation against {@code scalar}, on every weight type and on sizes around every
 * block and tail, with blocks and threads in a random order. Outputs are poisoned, and rows that
 * are not asked for stay so. Attention is in {@link AttentionTest}.
 */
class OperationsTest extends OnDevice {
  private static final int[] SIZES = {1, 2, 5, 13, 31, 63, 64, 65, 207};
  private static final int[] ROWS = {1, 2, 3, 5, 8, 13};
  private static final int SPARE = 2;
  private static final float EPS = 1e-6f;

  private final ScalarBackend scalar = new ScalarBackend();

  OperationsTest() {
    super(7);
  }

  /** An operation on {@code y}, with what else it needs made in {@code memory}. */
  private interface Operation {
    void run(Backend backend, Memory memory, Tensor y);
  }

  private static Tensor tensor(Backend backend, Memory memory, int rows, int cols, float[] values) {
    Tensor t = memory.allocate(rows, cols);
    float[] all = new float[rows * cols];
    Arrays.fill(all, Float.NaN);
    System.arraycopy(values, 0, all, 0, values.length);
    backend.write(all, t, 0, rows);
    return t;
  }

  /** The first rows of what an operation makes of {@code y}, the rest of which stays NaN. */
  private static float[] result(
      Backend backend, int rows, int cols, float[] y, Operation operation) {
    try (Memory memory = backend.newMemory()) {
      Tensor out = tensor(backend, memory, rows + SPARE, cols, y);
      operation.run(backend, memory, out);
      float[] all = new float[(rows + SPARE) * cols];
      backend.read(out, 0, all, rows + SPARE);
      for (int i = rows * cols; i < all.length; i++) {
        assertTrue(Float.isNaN(all[i]), "wrote into further rows");
      }
      return Arrays.copyOf(all, rows * cols);
    }
  }

  private void compare(String what, int rows, int cols, float[] y, Operation operation) {
    float[] expected = result(scalar, rows, cols, y, operation);
    float[] got = result(cuda, rows, cols, y, operation);
    Close.assertClose(expected, got, what);
  }

  private static final float[] POISONED = {};

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void projections(DType dtype) {
    var numbers = new Numbers(1);
    for (int in : SIZES) {
      projections(numbers, dtype, ROWS[numbers.below(ROWS.length)], in, SIZES[numbers.below(9)]);
    }
    for (int rows : ROWS) {
      projections(numbers, dtype, rows, 96, SIZES[numbers.below(9)]);
    }
    projections(numbers, dtype, 1, 1030, 40);
  }

  private void projections(Numbers numbers, DType dtype, int rows, int in, int out) {
    String what = dtype + " [" + rows + ", " + in + "] to " + out;
    float[] x = numbers.normal(rows * in, 0, 1);
    Weight w = numbers.weight(dtype, out, in);
    Weight other = numbers.weight(dtype, 3, in);
    Weight third = numbers.weight(DType.F32, 5, in);
    Weight bias = numbers.weight(dtype, 1, out, numbers.normal(out, 0, 0.5), 1);
    Weight norm = numbers.scales(in);
    List<Part> plain = List.of(new Part(w, null));
    List<Part> biased = List.of(new Part(w, bias));
    List<Part> three = List.of(new Part(w, bias), new Part(other, null), new Part(third, null));
    compare(
        "project " + what,
        rows,
        out,
        POISONED,
        (b, m, y) -> b.project(tensor(b, m, rows, in, x), rows, m.linear(plain), y));
    compare(
        "normProject in three parts " + what,
        rows,
        out + 8,
        POISONED,
        (b, m, y) ->
            b.normProject(
                tensor(b, m, rows, in, x), rows, m.weight(norm), EPS, m.linear(three), y));
    compare(
        "projectAdd " + what,
        rows,
        out,
        numbers.normal(rows * out, 0, 1),
        (b, m, y) -> b.projectAdd(tensor(b, m, rows, in, x), rows, m.linear(biased), y));
  }

  /** A row's result is the same to the bit, whatever it is computed with. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void aRowInCompanyIsTheRowAlone(DType dtype) {
    var numbers = new Numbers(2);
    int in = 203;
    int out = 37;
    float[] x = numbers.normal(13 * in, 0, 1);
    Weight norm = numbers.scales(in);
    List<Part> parts = List.of(new Part(numbers.weight(dtype, out, in), numbers.scales(out)));
    List<Part> gateUp = List.of(parts.getFirst(), new Part(numbers.weight(dtype, out, in), null));
    List<Part> down = List.of(new Part(numbers.weight(dtype, in, out), null));
    for (int rows : ROWS) {
      aRowIsTheSame(
          rows,
          out,
          x,
          (b, m, n, i, o) -> b.normProject(i, n, m.weight(norm), EPS, m.linear(parts), o));
      aRowIsTheSame(
          rows,
          in,
          x,
          (b, m, n, i, o) -> {
            b.copyRows(i, 0, o, 0, n);
            b.gatedMlp(
                o,
                n,
                m.weight(norm),
                EPS,
                m.linear(gateUp),
                m.linear(down),
                m.allocate(n, 2 * out));
          });
    }
  }

  private interface RowOperation {
    void run(Backend backend, Memory memory, int rows, Tensor x, Tensor y);
  }

  private void aRowIsTheSame(int rows, int out, float[] x, RowOperation operation) {
    int in = x.length / 13;
    float[] together =
        result(
            cuda,
            rows,
            out,
            POISONED,
            (b, m, y) -> operation.run(b, m, rows, tensor(b, m, 13, in, x), y));
    for (int row = 0; row < rows; row++) {
      float[] one = Arrays.copyOfRange(x, row * in, (row + 1) * in);
      float[] alone =
          result(
              cuda,
              1,
              out,
              POISONED,
              (b, m, y) -> operation.run(b, m, 1, tensor(b, m, 1, in, one), y));
      assertArrayEquals(alone, Arrays.copyOfRange(together, row * out, (row + 1) * out));
    }
  }

  /** A head that is the embedding lies on the device once, and gives the same. */
  @Test
  void tiedHead() {
    var numbers = new Numbers(3);
    Weight embedding = numbers.weight(DType.BF16, 65, 64);
    float[] x = numbers.normal(2 * 64, 0, 1);
    try (Memory memory = cuda.newMemory()) {
      memory.weight(embedding);
      long before = memory.bytes();
      memory.linear(List.of(new Part(embedding, null)));
      assertEquals(before, memory.bytes());
    }
    compare(
        "tied head",
        2,
        65,
        POISONED,
        (b, m, y) -> {
          m.weight(embedding);
          b.project(tensor(b, m, 2, 64, x), 2, m.linear(List.of(new Part(embedding, null))), y);
        });
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void gatedMlp(DType dtype) {
    var numbers = new Numbers(4);
    for (int hidden : new int[] {1, 13, 64, 207}) {
      int rows = ROWS[numbers.below(ROWS.length)];
      int width = SIZES[numbers.below(SIZES.length)];
      Weight norm = numbers.scales(hidden);
      Weight gate = numbers.weight(dtype, width, hidden);
      DType upType = hidden == 13 ? DType.F32 : dtype; // a checkpoint may store them differently
      Weight up = numbers.weight(upType, width, hidden);
      Weight down = numbers.weight(dtype, hidden, width);
      Weight bias = numbers.scales(width);
      compare(
          "gatedMlp " + dtype + " [" + rows + ", " + hidden + "] by " + width,
          rows,
          hidden,
          numbers.normal(rows * hidden, 0, 1),
          (b, m, y) ->
              b.gatedMlp(
                  y,
                  rows,
                  m.weight(norm),
                  EPS,
                  m.linear(List.of(new Part(gate, bias), new Part(up, null))),
                  m.linear(List.of(new Part(down, null))),
                  m.allocate(rows, 2 * width)));
    }
  }

  @Test
  void norm() {
    var numbers = new Numbers(5);
    for (int n : SIZES) {
      Weight weight = numbers.scales(n);
      float[] x = numbers.normal(3 * n, 0, 3);
      Arrays.fill(x, 0, n, 0); // zeros stay zeros
      compare("norm", 3, n, x, (b, m, y) -> b.norm(y, 3, m.weight(weight), EPS, y));
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void moving(DType dtype) {
    var numbers = new Numbers(6);
    for (int n : SIZES) {
      Weight table = numbers.weight(dtype, 9, n);
      float[] row = numbers.normal(2 * n, 0, 1);
      compare(
          "embed",
          3,
          n,
          POISONED,
          (b, m, y) -> b.embed(m.weight(table), new int[] {99, 8, 0, 8}, 1, 3, y));
      compare("copyRows", 5, n, POISONED, (b, m, y) -> b.copyRows(m.weight(table), 2, y, 0, 5));
      compare(
          "multiplyRow",
          9,
          n,
          POISONED,
          (b, m, y) -> b.multiplyRow(tensor(b, m, 2, n, row), 1, m.weight(table), 9, y));
      try (Memory here = scalar.newMemory();
          Memory there = cuda.newMemory()) {
        float[] expected = new float[5 * n];
        float[] got = new float[5 * n];
        scalar.read(here.weight(table), 2, expected, 5);
        cuda.read(there.weight(table), 2, got, 5);
        assertArrayEquals(expected, got);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 31, 33, 257, 1001})
  void summarize(int n) {
    var numbers = new Numbers(n);
    for (int trial = 0; trial < 6; trial++) {
      float[] logits = numbers.normal(3 * n, 0, 4);
      for (int i = 0; trial % 2 == 1 && i < logits.length; i++) {
        logits[i] = Math.round(logits[i]); // so that there are ties
      }
      LogitSummary expected = summary(scalar, logits, n);
      LogitSummary got = summary(cuda, logits, n);
      assertEquals(expected.argmax, got.argmax);
      assertEquals(expected.max, got.max);
      assertEquals(expected.second, got.second);
      assertEquals(expected.logSumExp, got.logSumExp, 1e-5f * Math.abs(expected.logSumExp) + 1e-6f);
    }
  }

  /** More rows than one launch takes; each as it is alone. */
  @Test
  void summariesOfManyRows() {
    int rows = 66;
    int n = 40;
    try (Memory memory = cuda.newMemory()) {
      float[] numbers = new Numbers(n).normal((rows + 1) * n, 0, 4);
      Tensor logits = tensor(cuda, memory, rows + 1, n, numbers);
      LogitSummary alone = new LogitSummary();
      LogitSummary[] all = LogitSummary.array(rows);
      cuda.summarize(logits, 1, rows, all);
      for (int i = 0; i < rows; i++) {
        cuda.summarize(logits, 1 + i, alone);
        assertEquals(alone.argmax, all[i].argmax);
        assertEquals(alone.max, all[i].max);
        assertEquals(alone.second, all[i].second);
        assertEquals(alone.logSumExp, all[i].logSumExp);
      }
    }
  }

  private static LogitSummary summary(Backend backend, float[] logits, int n) {
    try (Memory memory = backend.newMemory()) {
      var summary = new LogitSummary();
      backend.summarize(tensor(backend, memory, 3, n, logits), 1, summary);
      return summary;
    }
  }

  /** More than the staging halves hold. */
  @Test
  void largeTensors() {
    int n = 3 << 20;
    float[] values = new Numbers(8).normal(1024, 0, 1);
    float[] all = new float[n];
    for (int i = 0; i < n; i++) {
      all[i] = values[i % 1024] + i;
    }
    try (Memory memory = cuda.newMemory()) {
      Tensor t = memory.allocate(1024, n / 1024);
      cuda.write(all, t, 0, 1024);
      float[] back = new float[n];
      cuda.read(t, 0, back, 1024);
      assertArrayEquals(all, back);
    }
  }
}
