package io.lrt4j.compute.cpu;

import static io.lrt4j.Accuracy.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.ChildJvm;
import io.lrt4j.Fuzz;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.cpu.CpuLinear.Part;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What the same seed giving the same tokens rests on: a row of {@code vector} and {@code native}
 * has the same bits whatever rows are computed with it, on however many threads, and however far
 * the compiler has come. (Attention: {@code AttentionOperationsTest}.)
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BitwiseTest {
  private static final int[] SIZES = {1, 5, 13, 31, 33, 64, 65, 207, 512};
  private static final int[] ROWS = {1, 2, 3, 4, 5, 7, 13};
  private static final int MOST = 13;
  private static final float EPS = 1e-6f;

  private final Crews crews = new Crews();

  @AfterAll
  void close() {
    crews.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void projections(DType dtype) {
    Numbers numbers = new Numbers(1);
    for (int i = 0; i < SIZES.length * SIZES.length; i++) {
      int in = SIZES[i / SIZES.length];
      int out = SIZES[i % SIZES.length];
      if (Fuzz.runs(i / SIZES.length, i % SIZES.length, dtype.ordinal())) {
        try (var memory = new GuardedMemory()) {
          CpuTensor norm = memory.input(1, in, numbers.normal(in, 1, 0.2));
          CpuTensor bias = memory.input(1, out, numbers.normal(out, 0, 0.5));
          CpuTensor weight = numbers.weight(memory, dtype, out, in);
          CpuLinear p = new CpuLinear(List.of(new Part(weight, bias), new Part(weight, null)));
          float[] x = numbers.normal(MOST * in, 0, 1);
          compare(
              x,
              in,
              dtype + " " + in + " to " + out,
              (backend, rows) -> {
                CpuTensor y = memory.allocate(rows.rows(), 2 * out);
                backend.normProject(rows, rows.rows(), norm, EPS, crews.linear(backend, p), y);
                return y;
              });
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void gatedMlp(DType dtype) {
    Numbers numbers = new Numbers(2);
    for (int hidden : SIZES) {
      int width = SIZES[numbers.below(SIZES.length)];
      try (var memory = new GuardedMemory()) {
        CpuTensor norm = memory.input(1, hidden, numbers.normal(hidden, 1, 0.2));
        CpuTensor gate = numbers.weight(memory, dtype, width, hidden);
        CpuTensor up = numbers.weight(memory, dtype, width, hidden);
        CpuLinear gateUp = new CpuLinear(List.of(new Part(gate, null), new Part(up, null)));
        CpuLinear down = CpuLinear.of(numbers.weight(memory, dtype, hidden, width), null);
        float[] x = numbers.normal(MOST * hidden, 0, 1);
        compare(
            x,
            hidden,
            dtype + " " + hidden + " by " + width,
            (backend, rows) -> {
              CpuTensor y = memory.filled(rows.rows(), hidden, Numbers.rows(rows, rows.rows()));
              CpuTensor scratch = memory.allocate(rows.rows(), 2 * width);
              backend.gatedMlp(
                  y,
                  rows.rows(),
                  norm,
                  EPS,
                  crews.linear(backend, gateUp),
                  crews.linear(backend, down),
                  scratch);
              return y;
            });
      }
    }
  }

  /** Every row alone on one thread first; then in company, wherever it stands there. */
  private void compare(
      float[] x, int in, String what, BiFunction<Backend, CpuTensor, CpuTensor> operation) {
    crews.families().forEach(family -> compare(family, x, in, what, operation));
    crews.forget();
  }

  private static void compare(
      List<Backend> family,
      float[] x,
      int in,
      String what,
      BiFunction<Backend, CpuTensor, CpuTensor> operation) {
    try (var memory = new GuardedMemory()) {
      List<float[]> expected = new ArrayList<>();
      for (int row = 0; row < MOST; row++) {
        CpuTensor one = memory.filled(1, in, Arrays.copyOfRange(x, row * in, (row + 1) * in));
        expected.add(Numbers.row(operation.apply(family.getFirst(), one), 0));
      }
      for (Backend backend : family) {
        for (int rows : ROWS) {
          int first = MOST - rows;
          CpuTensor several = memory.filled(rows, in, Arrays.copyOfRange(x, first * in, x.length));
          CpuTensor y = operation.apply(backend, several);
          for (int row = 0; row < rows; row++) {
            String where = what + ", row " + row + " of " + rows + " on " + backend.describe();
            assertSameBits(expected.get(first + row), Numbers.row(y, row), where);
          }
        }
      }
    }
  }

  /**
   * Interpreted, compiled, and on the way from one to the other: {@link CompilerProbe} in processes
   * of its own, as this one has compiled the kernels long ago.
   */
  @Test
  void compilersAgree() throws IOException, InterruptedException {
    String interpreted = probe("-Xint", 1);
    assertEquals(interpreted, probe("-XX:+TieredCompilation", 600));
  }

  private static String probe(String option, int rounds) throws IOException, InterruptedException {
    return ChildJvm.run(ChildJvm.with(option), CompilerProbe.class, Integer.toString(rounds));
  }
}
