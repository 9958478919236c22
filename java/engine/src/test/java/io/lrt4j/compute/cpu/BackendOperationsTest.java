package io.lrt4j.compute.cpu;

import static io.lrt4j.Accuracy.assertSameBits;
import static io.lrt4j.compute.cpu.Numbers.assertClose;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.Fuzz;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.CpuLinear.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every row-wise operation of {@code vector} and {@code native}, on every weight type, on sizes
 * around every block and tail, on several thread counts, against {@code scalar}: outputs poisoned,
 * guards around every buffer. Attention and its cache are in {@code AttentionOperationsTest}.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BackendOperationsTest {
  private static final int[] SIZES = {1, 2, 3, 5, 13, 16, 31, 33, 63, 64, 65, 127, 207, 512};
  private static final int[] ROWS = {1, 2, 3, 4, 5, 7, 8, 13, 64};
  private static final int SPARE = 3; // rows that the activations have room for beyond those in use
  private static final float EPS = 1e-6f;

  private final ScalarBackend scalar = new ScalarBackend();
  private final Crews crews = new Crews();

  @AfterAll
  void close() {
    crews.close();
  }

  List<Backend> backends() {
    List<Backend> all = new ArrayList<>(crews.all());
    all.addFirst(scalar);
    return all;
  }

  /** Runs an operation on a fresh copy of {@code y} on every backend and compares. */
  private void compare(
      GuardedMemory memory,
      String what,
      int rows,
      int cols,
      float[] y,
      BiConsumer<Backend, CpuTensor> operation) {
    float[] expected = {};
    for (Backend backend : backends()) {
      String where = what + " on " + backend.describe();
      CpuTensor out = memory.filled(rows + SPARE, cols, y);
      operation.accept(backend, out);
      memory.check(where);
      GuardedMemory.checkPoison(out, rows, where);
      float[] got = Numbers.rows(out, rows);
      if (backend == scalar) {
        expected = got;
      }
      assertClose(expected, got, where);
    }
    crews.forget();
  }

  private static final float[] POISONED = {};

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void projections(DType dtype) {
    Numbers numbers = new Numbers(1);
    for (int i = 0; i < SIZES.length; i++) {
      for (int r = 0; r < ROWS.length; r++) {
        if (Fuzz.runs(i, r, dtype.ordinal())) {
          int out = SIZES[numbers.below(SIZES.length)];
          projections(numbers, dtype, ROWS[r], SIZES[i], out);
        }
      }
    }
    for (int out : SIZES) {
      projections(numbers, dtype, ROWS[numbers.below(ROWS.length)], 63, out);
    }
  }

  /** Wide inputs make for small blocks. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void wideProjections(DType dtype) {
    Numbers numbers = new Numbers(2);
    projections(numbers, dtype, 5, 4867, 70);
    projections(numbers, dtype, 4, 30_001, 9);
  }

  private void projections(Numbers numbers, DType dtype, int rows, int in, int out) {
    String what = dtype + " [" + rows + ", " + in + "] to " + out;
    try (var memory = new GuardedMemory()) {
      CpuTensor x = memory.input(rows + SPARE, in, numbers.normal((rows + SPARE) * in, 0, 1));
      CpuTensor norm = memory.input(1, in, numbers.normal(in, 1, 0.2));
      CpuLinear plain = CpuLinear.of(numbers.weight(memory, dtype, out, in), null);
      CpuLinear biased =
          new CpuLinear(
              List.of(new Part(plain.parts().getFirst().weight(), bias(numbers, memory, out))));
      int side = SIZES[numbers.below(5)];
      CpuLinear three =
          new CpuLinear(
              List.of(
                  biased.parts().getFirst(),
                  new Part(numbers.weight(memory, dtype, side, in), null),
                  new Part(numbers.weight(memory, dtype, side, in), bias(numbers, memory, side))));
      compare(
          memory,
          "project " + what,
          rows,
          out,
          POISONED,
          (b, y) -> b.project(x, rows, crews.linear(b, plain), y));
      compare(
          memory,
          "normProject " + what + " + 2 * " + side,
          rows,
          out + 2 * side,
          POISONED,
          (b, y) -> b.normProject(x, rows, norm, EPS, crews.linear(b, three), y));
      float[] before = numbers.normal(rows * out, 0, 1);
      compare(
          memory,
          "projectAdd " + what,
          rows,
          out,
          before,
          (b, y) -> b.projectAdd(x, rows, crews.linear(b, biased), y));
    }
  }

  private static CpuTensor bias(Numbers numbers, GuardedMemory memory, int n) {
    return memory.input(1, n, numbers.normal(n, 0, 0.5));
  }

  /** A checkpoint may store the parts of one projection in different types. */
  @Test
  void partsOfDifferentTypes() {
    Numbers numbers = new Numbers(3);
    for (int rows : ROWS) {
      try (var memory = new GuardedMemory()) {
        CpuTensor x = memory.input(rows, 207, numbers.normal(rows * 207, 0, 1));
        List<Part> parts = new ArrayList<>();
        for (DType dtype : Numbers.PLAIN) {
          parts.add(new Part(numbers.weight(memory, dtype, 33, 207), null));
        }
        CpuLinear mixed = new CpuLinear(parts);
        compare(
            memory,
            "project with parts of all types, rows " + rows,
            rows,
            99,
            POISONED,
            (b, y) -> b.project(x, rows, crews.linear(b, mixed), y));
      }
    }
  }

  /** Every finite 16-bit number comes out of a product with one as what it is. */
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void everyFiniteWeight(DType dtype) {
    int width = 64;
    int exponent = dtype == DType.F16 ? 0x7C00 : 0x7F80;
    try (var memory = new GuardedMemory()) {
      List<Short> finite = new ArrayList<>();
      for (int bits = 0; bits < 0x10000; bits++) {
        if ((bits & exponent) != exponent) {
          finite.add((short) bits);
        }
      }
      CpuTensor weight = memory.tensor(dtype, finite.size() / width, width, 1);
      for (int i = 0; i < finite.size(); i++) {
        weight.data().set(CpuTensor.SHORT, i * 2L, finite.get(i));
      }
      float[] one = new float[width * width];
      for (int i = 0; i < width; i++) {
        one[i * width + i] = 1;
      }
      CpuTensor x = memory.input(width, width, one);
      CpuLinear p = CpuLinear.of(weight, null);
      for (Backend backend : backends()) {
        CpuTensor out = memory.allocate(width, weight.rows());
        CpuTensor row = memory.allocate(1, weight.rows());
        Linear linear = crews.linear(backend, p);
        boolean flushes = dtype == DType.BF16 && Crews.multipliesPairs(backend);
        backend.project(x, width, linear, out);
        backend.project(x, 1, linear, row);
        crews.forget();
        for (int i = 0; i < finite.size(); i++) {
          short bits = finite.get(i);
          float value =
              dtype == DType.F16 ? Float.float16ToFloat(bits) : Float.intBitsToFloat(bits << 16);
          if (flushes && Math.abs(value) < Float.MIN_NORMAL) {
            value = 0; // what the processor's products of bf16 pairs make of it
          }
          Supplier<String> what =
              () -> Integer.toHexString(bits & 0xFFFF) + " on " + backend.describe();
          // Adding zeros turns -0 into 0.
          assertEquals(value + 0f, out.get(i % width, i / width) + 0f, what);
          if (i % width == 0) {
            assertEquals(value + 0f, row.get(0, i / width) + 0f, what);
          }
        }
        memory.check(backend.describe());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void gatedMlp(DType dtype) {
    Numbers numbers = new Numbers(4);
    int[] someRows = {1, 3, 4, 7, 13};
    for (int i = 0; i < SIZES.length * someRows.length; i++) {
      int hidden = SIZES[i / someRows.length];
      int rows = someRows[i % someRows.length];
      if (Fuzz.runs(i / someRows.length, i % someRows.length, dtype.ordinal())) {
        int width = SIZES[numbers.below(SIZES.length)];
        try (var memory = new GuardedMemory()) {
          CpuTensor norm = memory.input(1, hidden, numbers.normal(hidden, 1, 0.2));
          List<Part> parts = new ArrayList<>();
          for (int part = 0; part < 2; part++) {
            CpuTensor w = numbers.weight(memory, dtype, width, hidden);
            parts.add(new Part(w, rows % 2 == 0 ? null : bias(numbers, memory, width)));
          }
          CpuLinear gateUp = new CpuLinear(parts);
          CpuLinear down =
              CpuLinear.of(
                  numbers.weight(memory, dtype, hidden, width),
                  rows % 2 == 0 ? null : bias(numbers, memory, hidden));
          float[] x = numbers.normal(rows * hidden, 0, 1);
          compare(
              memory,
              "gatedMlp " + dtype + " [" + rows + ", " + hidden + "] by " + width,
              rows,
              hidden,
              x,
              (b, y) -> {
                CpuTensor scratch = memory.allocate(rows + SPARE, 2 * width);
                b.gatedMlp(
                    y, rows, norm, EPS, crews.linear(b, gateUp), crews.linear(b, down), scratch);
                GuardedMemory.checkPoison(scratch, rows, "gatedMlp");
              });
        }
      }
    }
  }

  @Test
  void norm() {
    Numbers numbers = new Numbers(5);
    for (int n : SIZES) {
      for (int rows : ROWS) {
        try (var memory = new GuardedMemory()) {
          CpuTensor x = memory.input(rows + SPARE, n, numbers.normal((rows + SPARE) * n, 0, 3));
          CpuTensor weight = memory.input(1, n, numbers.normal(n, 1, 0.2));
          String what = "norm [" + rows + ", " + n + "]";
          compare(memory, what, rows, n, POISONED, (b, y) -> b.norm(x, rows, weight, EPS, y));
        }
      }
    }
  }

  /** Zeros stay zeros, for the epsilon's sake; in and out may be one tensor. */
  @Test
  void normOfZerosAndInPlace() {
    Numbers numbers = new Numbers(6);
    try (var memory = new GuardedMemory()) {
      CpuTensor weight = memory.input(1, 207, numbers.normal(207, 1, 0.2));
      float[] x = numbers.normal(2 * 207, 0, 1);
      java.util.Arrays.fill(x, 0, 207, 0);
      compare(memory, "norm in place", 2, 207, x, (b, y) -> b.norm(y, 2, weight, EPS, y));
    }
  }

  @Test
  void multiplyRow() {
    Numbers numbers = new Numbers(7);
    for (int n : SIZES) {
      for (int rows : ROWS) {
        try (var memory = new GuardedMemory()) {
          CpuTensor row = memory.input(3, n, numbers.normal(3 * n, 0, 1));
          CpuTensor by = memory.input(rows, n, numbers.normal(rows * n, 0, 1));
          CpuTensor half = numbers.weight(memory, DType.BF16, rows, n);
          String what = "multiplyRow [" + rows + ", " + n + "]";
          compare(memory, what, rows, n, POISONED, (b, y) -> b.multiplyRow(row, 2, by, rows, y));
          compare(memory, what, rows, n, POISONED, (b, y) -> b.multiplyRow(row, 0, half, rows, y));
        }
      }
    }
  }

  /** Moving and converting is exact. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void copyEmbedReadWrite(DType dtype) {
    Numbers numbers = new Numbers(8);
    for (int n : SIZES) {
      for (Backend backend : backends()) {
        try (var memory = new GuardedMemory()) {
          CpuTensor table = numbers.weight(memory, dtype, 9, n);
          float[] values = new float[9 * n];
          for (int i = 0; i < values.length; i++) {
            values[i] = table.get(i / n, i % n);
          }
          float[] read = new float[5 * n];
          backend.read(table, 2, read, 5);
          assertArrayEquals(java.util.Arrays.copyOfRange(values, 2 * n, 7 * n), read);

          CpuTensor copy = memory.allocate(8, n);
          backend.copyRows(table, 2, copy, 0, 5);
          assertArrayEquals(read, Numbers.rows(copy, 5));
          GuardedMemory.checkPoison(copy, 5, "copyRows");

          CpuTensor x = memory.allocate(4, n);
          backend.embed(table, new int[] {99, 8, 0, 8, 99}, 1, 3, x);
          for (int i = 0; i < n; i++) {
            assertEquals(values[8 * n + i], x.get(0, i));
            assertEquals(values[i], x.get(1, i));
            assertEquals(values[8 * n + i], x.get(2, i));
          }
          GuardedMemory.checkPoison(x, 3, "embed");

          CpuTensor target = memory.allocate(8, n);
          backend.write(read, target, 3, 5);
          float[] back = new float[5 * n];
          backend.read(target, 3, back, 5);
          assertArrayEquals(read, back);
          memory.check("moving rows on " + backend.describe());
        }
      }
    }
  }

  /** Embedded from a head that {@code native} has packed: the same bits as from the rows. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void tiedEmbeddings(DType dtype) {
    Numbers numbers = new Numbers(12);
    int[] ids = {99, 34, 0, 16, 15, 34, 99};
    for (int n : SIZES) {
      for (Backend backend : backends()) {
        try (var rows = new GuardedMemory()) {
          CpuTensor weight = numbers.weight(rows, dtype, 35, n);
          CpuTensor expected = rows.allocate(6, n);
          CpuTensor x = rows.allocate(6, n);
          Tensor table;
          try (Memory memory = backend.newMemory()) {
            var head = memory.linear(List.of(new Memory.Part(Crews.stored(weight), null)));
            table = memory.table(head);
            assertEquals(backend.name().equals("native"), table != null);
            if (table == null) {
              continue;
            }
            backend.embed(weight, ids, 1, 5, expected);
            backend.embed(table, ids, 1, 5, x);
          }
          String what = dtype + " " + n + " on " + backend.describe();
          assertSameBits(Numbers.rows(expected, 5), Numbers.rows(x, 5), what);
          rows.check("embedding of " + what);
          assertThrows(IllegalStateException.class, () -> backend.embed(table, ids, 1, 1, x));
        }
      }
    }
  }

  /** A vector of weights is converted to f32 when it is taken in, a matrix is left where it is. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void weightsAreReadInPlace(DType dtype) {
    Numbers numbers = new Numbers(9);
    for (Backend backend : List.of(scalar, crews.all().getFirst())) {
      try (var memory = new GuardedMemory();
          var taken = backend.newMemory()) {
        CpuTensor matrix = numbers.weight(memory, dtype, 2, 33);
        CpuTensor vector = numbers.weight(memory, dtype, 1, 33);
        CpuTensor bias = numbers.weight(memory, dtype, 1, 2);
        CpuTensor same = CpuTensor.of(taken.weight(Crews.stored(matrix)));
        assertEquals(matrix.data().address(), same.data().address());
        checkConverted(vector, CpuTensor.of(taken.weight(Crews.stored(vector))));
        CpuLinear linear =
            CpuLinear.of(
                taken.linear(
                    List.of(
                        new Memory.Part(Crews.stored(matrix), Crews.stored(bias)),
                        new Memory.Part(Crews.stored(vector), null))));
        assertEquals(33, linear.in());
        assertEquals(3, linear.out());
        Part first = linear.parts().getFirst();
        assertEquals(matrix.data().address(), first.weight().data().address());
        checkConverted(bias, Objects.requireNonNull(first.bias()));
        Part second = linear.parts().getLast();
        assertEquals(vector.data().address(), second.weight().data().address());
        assertNull(second.bias());
        memory.check("weight");
      }
    }
  }

  private static void checkConverted(CpuTensor stored, CpuTensor converted) {
    assertEquals(DType.F32, converted.dtype());
    assertArrayEquals(Numbers.floats(stored), Numbers.row(converted, 0));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 15, 16, 17, 31, 33, 1000, 1001, 4099, 32_003})
  void summarize(int n) {
    Numbers numbers = new Numbers(n);
    for (int trial = 0; trial < 20; trial++) {
      float[] logits = numbers.normal(3 * n, 0, 4);
      if (trial % 2 == 1) { // coarse, so that there are ties
        for (int i = 0; i < logits.length; i++) {
          logits[i] = Math.round(logits[i]);
        }
      }
      if (trial % 4 >= 2) {
        for (int i = 0; i < n; i++) {
          logits[n + numbers.below(n)] = Float.NEGATIVE_INFINITY;
        }
        logits[n + numbers.below(n)] = -3;
      }
      checkSummary(n, logits);
    }
  }

  private void checkSummary(int n, float[] logits) {
    int argmax = 0;
    for (int i = 1; i < n; i++) {
      if (logits[n + i] > logits[n + argmax]) {
        argmax = i;
      }
    }
    float max = logits[n + argmax];
    float second = Float.NEGATIVE_INFINITY;
    double sum = 0;
    for (int i = 0; i < n; i++) {
      second = i == argmax ? second : Math.max(second, logits[n + i]);
      sum += Math.exp((double) logits[n + i] - max);
    }
    try (var memory = new GuardedMemory()) {
      CpuTensor rows = memory.input(3, n, logits);
      LogitSummary summary = new LogitSummary();
      for (Backend backend : backends()) {
        backend.summarize(rows, 1, summary);
        String where = backend.describe();
        assertEquals(argmax, summary.argmax, where);
        assertEquals(max, summary.max, where);
        assertEquals(second, summary.second, where);
        assertEquals(max + Math.log(sum), summary.logSumExp, 4e-6, where);
        memory.check(where);
      }
    }
  }

  /** More rows than one call of native takes; each as it is alone. */
  @Test
  void summariesOfManyRows() {
    int rows = 131;
    int n = 2001; // enough to be shared out
    try (var memory = new GuardedMemory()) {
      CpuTensor logits = memory.input(rows + 1, n, new Numbers(n).normal((rows + 1) * n, 0, 4));
      LogitSummary alone = new LogitSummary();
      for (Backend backend : backends()) {
        LogitSummary[] all = LogitSummary.array(rows + 1);
        backend.summarize(logits, 1, rows, all);
        for (int i = 0; i < rows; i++) {
          backend.summarize(logits, 1 + i, alone);
          String where = backend.describe() + ", row " + i;
          assertEquals(alone.argmax, all[i].argmax, where);
          assertEquals(alone.max, all[i].max, where);
          assertEquals(alone.second, all[i].second, where);
          assertEquals(alone.logSumExp, all[i].logSumExp, where);
        }
        assertEquals(0, all[rows].max, "no more than those asked for");
      }
    }
  }

  /** What is wrong with the numbers shows. */
  @Test
  void nanIsNotHidden() {
    backends().forEach(this::nanIsNotHidden);
  }

  private void nanIsNotHidden(Backend backend) {
    Numbers numbers = new Numbers(10);
    try (var memory = new GuardedMemory()) {
      float[] x = numbers.normal(5 * 65, 0, 1);
      x[2 * 65 + 40] = Float.NaN;
      CpuTensor in = memory.input(5, 65, x);
      CpuTensor norm = memory.input(1, 65, numbers.normal(65, 1, 0.1));
      CpuTensor out = memory.allocate(5, 33);
      CpuLinear p = CpuLinear.of(numbers.weight(memory, DType.BF16, 33, 65), null);
      backend.normProject(in, 5, norm, EPS, crews.linear(backend, p), out);
      for (int row = 0; row < 5; row++) {
        for (int c = 0; c < 33; c++) {
          assertEquals(row == 2, Float.isNaN(out.get(row, c)), "row " + row);
        }
      }
      CpuTensor logits = memory.input(1, 3, new float[] {1, Float.NaN, 2});
      LogitSummary summary = new LogitSummary();
      backend.summarize(logits, 0, summary);
      assertEquals(Float.NaN, summary.logSumExp);
    }
  }
}
