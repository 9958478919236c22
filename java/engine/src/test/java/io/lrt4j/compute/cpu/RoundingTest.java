package io.lrt4j.compute.cpu;

import static io.lrt4j.Accuracy.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Accuracy;
import io.lrt4j.Fuzz;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Panels;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.UnroundableException;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Rounding to q8 and q4, and their products: whole numbers, so that all backends agree to the bit.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RoundingTest {
  private static final int[] ROWS = {1, 2, 3, 5, 6, 7, 13};

  private final ScalarBackend scalar = new ScalarBackend();
  private final Crews crews = new Crews();

  @AfterAll
  void close() {
    crews.close();
  }

  /** Half a step is the most that a weight moves, a little more where f16 rounds the scale. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void q8RoundsToTheNearest(DType dtype) {
    Numbers numbers = new Numbers(1);
    try (var memory = new GuardedMemory();
        var arena = Arena.ofShared()) {
      CpuTensor weight = numbers.weight(memory, dtype, 13, 96);
      MemorySegment to = arena.allocate(13 * 3 * 34);
      Weight q8 = Rounding.round(Crews.stored(weight), DType.Q8, to);
      assertEquals(DType.Q8, q8.dtype());
      for (int i = 0; i < 13 * 96; i++) {
        int block = i / 32 * 34;
        float scale = Float.float16ToFloat(to.get(CpuTensor.SHORT, block));
        byte rounded = to.get(ValueLayout.JAVA_BYTE, block + 2 + i % 32);
        float value = weight.get(i / 96, i % 96);
        assertTrue(Math.abs(rounded) <= 127);
        assertEquals(value, rounded * scale, 0.57 * scale, "element " + i);
      }
      memory.check("quantize");
    }
  }

  /** The error of every block is at most that of the plain scale, largest magnitude / 7. */
  @Test
  void q4TakesTheBestScale() {
    Numbers numbers = new Numbers(5);
    try (var memory = new GuardedMemory();
        var arena = Arena.ofShared()) {
      CpuTensor weight = numbers.weight(memory, DType.F32, 13, 96);
      MemorySegment to = arena.allocate(13 * 3 * 18);
      Weight q4 = Rounding.round(Crews.stored(weight), DType.Q4, to);
      assertEquals(DType.Q4, q4.dtype());
      double all = 0;
      double allPlain = 0;
      for (int block = 0; block < 13 * 3; block++) {
        float scale = Float.float16ToFloat(to.get(CpuTensor.SHORT, block * 18L));
        float largest = 0;
        for (int i = 0; i < 32; i++) {
          largest = Math.max(largest, Math.abs(weight.get(block / 3, block % 3 * 32 + i)));
        }
        float plain = Float.float16ToFloat(Float.floatToFloat16(largest / 7));
        double error = 0;
        double plainError = 0;
        for (int i = 0; i < 32; i++) {
          float value = weight.get(block / 3, block % 3 * 32 + i);
          int both = to.get(ValueLayout.JAVA_BYTE, block * 18L + 2 + i % 16);
          int rounded = (i < 16 ? both & 15 : both >> 4 & 15) - 8;
          error += Math.pow(value - rounded * scale, 2);
          plainError += Math.pow(value - Math.rint(value / plain) * plain, 2);
        }
        assertTrue(error <= 1.0001 * plainError, "block " + block);
        all += error;
        allPlain += plainError;
      }
      assertTrue(all < 0.9 * allPlain, all + " against " + allPlain);
      memory.check("quantize");
    }
  }

  @Test
  void q4KeepsWhatItCanHold() {
    try (var arena = Arena.ofShared()) {
      MemorySegment x = arena.allocate(128);
      for (int i = 0; i < 32; i++) {
        x.set(CpuTensor.FLOAT, i * 4L, (i % 15 - 7) * -0.25f);
      }
      MemorySegment to = arena.allocate(18);
      Rounding.round(new Weight(DType.F32, 1, 32, x), DType.Q4, to);
      float scale = Float.float16ToFloat(to.get(CpuTensor.SHORT, 0));
      for (int i = 0; i < 32; i++) {
        int both = to.get(ValueLayout.JAVA_BYTE, 2 + i % 16);
        int rounded = (i < 16 ? both & 15 : both >> 4 & 15) - 8;
        assertEquals(x.get(CpuTensor.FLOAT, i * 4L), rounded * scale, "element " + i);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void zerosStayZero(DType type) {
    try (var arena = Arena.ofShared()) {
      MemorySegment to = arena.allocate(type.blockBytes()).fill((byte) 1);
      Rounding.round(new Weight(DType.F32, 1, 32, arena.allocate(128)), type, to);
      assertEquals(0, to.get(CpuTensor.SHORT, 0));
      for (int i = 2; i < type.blockBytes(); i++) {
        assertEquals(type == DType.Q8 ? 0 : 0x88, to.get(ValueLayout.JAVA_BYTE, i) & 255);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void productsAreTheSameToTheBit(Quantization quantization) {
    Numbers numbers = new Numbers(2);
    int[] in = {32, 96, 512, 1056};
    int[] out = {1, 16, 63, 207};
    for (int i = 0; i < in.length; i++) {
      for (int o = 0; o < out.length; o++) {
        if (Fuzz.runs(i, o, quantization.ordinal())) {
          products(quantization, numbers, in[i], out[o]);
        }
      }
    }
  }

  /** So many outputs that one row reads several runs at once, with something left behind them. */
  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void severalRuns(Quantization quantization) {
    products(quantization, new Numbers(7), 96, 527);
    products(quantization, new Numbers(8), 64, 1120);
  }

  /** One size of it, for processes in which that has to be quick. */
  void products(Quantization quantization, Numbers numbers, int in, int out) {
    try (var memory = new GuardedMemory();
        var arena = Arena.ofShared()) {
      CpuTensor weight = numbers.weight(memory, DType.BF16, out, in);
      CpuTensor bias = memory.input(1, out, numbers.normal(out, 0, 0.5));
      List<Memory.Part> parts =
          List.of(
              new Memory.Part(Crews.stored(weight), Crews.stored(bias)),
              new Memory.Part(Crews.stored(weight), null));
      CpuTensor x = memory.input(13, in, numbers.normal(13 * in, 0, 1));
      float[] expected = product(scalar, quantization, parts, x, 13, memory);
      List<Memory.Part> panels = inPanels(quantization, parts, arena);
      assertSameBits(
          expected, product(scalar, Quantization.NONE, panels, x, 13, memory), "panels on scalar");
      for (Backend backend : crews.all()) {
        try (Memory rounded = backend.newMemory(quantization);
            Memory stored = backend.newMemory(Quantization.NONE)) {
          Linear linear = rounded.linear(parts);
          Linear asStored = stored.linear(panels);
          for (int rows : ROWS) {
            String what = in + " to " + out + ", " + rows + " rows on " + backend.describe();
            float[] got = product(backend, linear, x, rows, memory);
            float[] first = Arrays.copyOf(expected, got.length);
            if (backend.describe().contains("baseline")) { // does not fuse multiply and add
              Numbers.assertClose(first, got, what);
            } else {
              assertSameBits(first, got, what);
            }
            assertSameBits(got, product(backend, asStored, x, rows, memory), what);
            memory.check(what);
          }
        }
      }
    }
  }

  /** Sums as large as can be, of either sign: some processors add products of bytes in 16 bits. */
  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void largestSums(DType type) {
    int in = 64;
    int out = 37;
    int rows = 13;
    int least = type == DType.Q8 ? -128 : -8;
    try (var memory = new GuardedMemory();
        var arena = Arena.ofShared()) {
      MemorySegment blocks = arena.allocate(Weight.bytes(type, out, in, false));
      float[] values = new float[rows * in];
      for (int r = 0; r < rows; r++) {
        for (int k = 0; k < in; k++) {
          values[r * in + k] = upper(r, k) ? 127 : -127;
        }
      }
      for (int o = 0; o < out; o++) {
        for (int k = 0; k < in; k++) {
          long block = (long) (o * in + k) / 32 * type.blockBytes();
          blocks.set(CpuTensor.SHORT, block, Float.floatToFloat16(1));
          int i = k % 32;
          int weight = upper(o, k) ? -1 - least : least;
          if (type == DType.Q8) {
            blocks.set(ValueLayout.JAVA_BYTE, block + 2 + i, (byte) weight);
          } else {
            long at = block + 2 + i % 16;
            int other = blocks.get(ValueLayout.JAVA_BYTE, at);
            blocks.set(ValueLayout.JAVA_BYTE, at, (byte) (other | weight + 8 << i / 16 * 4));
          }
        }
      }
      float[] expected = new float[rows * out];
      for (int r = 0; r < rows; r++) {
        for (int o = 0; o < out; o++) {
          for (int k = 0; k < in; k++) {
            expected[r * out + o] += values[r * in + k] * (upper(o, k) ? -1 - least : least);
          }
        }
      }
      Weight rounded = new Weight(type, out, in, blocks);
      MemorySegment panels = arena.allocate(Weight.bytes(type, out, in, true), 64);
      var parts = List.of(new Memory.Part(Panels.pack(rounded, panels), null));
      CpuTensor x = memory.input(rows, in, values);
      for (Backend backend : crews.andScalar(scalar)) {
        for (int n : ROWS) {
          float[] got = product(backend, Quantization.NONE, parts, x, n, memory);
          String what = type + ", " + n + " rows on " + backend.describe();
          assertSameBits(Arrays.copyOf(expected, got.length), got, what);
        }
      }
    }
  }

  /** All of them, none, every second, the first two of four, or as a hash says. */
  private static boolean upper(int row, int k) {
    return switch (row % 5) {
      case 0 -> true;
      case 1 -> false;
      case 2 -> k % 2 == 0;
      case 3 -> k % 4 < 2;
      default -> (row * 31 + k) * 0x9E3779B9 < 0;
    };
  }

  /** The same weights as files of our own have them. */
  private static List<Memory.Part> inPanels(
      Quantization quantization, List<Memory.Part> parts, Arena arena) {
    return parts.stream()
        .map(
            part -> {
              Weight w = part.weight();
              DType type = Rounding.type(quantization, w);
              long rows = Weight.bytes(type, w.rows(), w.cols(), false);
              long all = Weight.bytes(type, w.rows(), w.cols(), true);
              try (Arena scratch = Arena.ofShared()) {
                Weight rounded = Rounding.round(w, type, scratch.allocate(rows));
                Weight packed = Panels.pack(rounded, arena.allocate(all, 64));
                Weight back = Panels.unpack(packed, scratch.allocate(rows));
                assertEquals(-1, rounded.data().mismatch(back.data()));
                return new Memory.Part(packed, part.bias());
              }
            })
        .toList();
  }

  private static float[] product(
      Backend backend,
      Quantization quantization,
      List<Memory.Part> parts,
      CpuTensor x,
      int rows,
      GuardedMemory memory) {
    try (Memory weights = backend.newMemory(quantization)) {
      return product(backend, weights.linear(parts), x, rows, memory);
    }
  }

  private static float[] product(
      Backend backend, Linear linear, CpuTensor x, int rows, GuardedMemory memory) {
    CpuTensor y = memory.allocate(rows + 1, linear.out());
    backend.project(x, rows, linear, y);
    GuardedMemory.checkPoison(y, rows, "project");
    return Numbers.rows(y, rows);
  }

  /** Inputs that are no multiple of a block wide are multiplied as they are stored. */
  @Test
  void whatDoesNotFitStaysAsItIs() {
    Numbers numbers = new Numbers(3);
    try (var memory = new GuardedMemory()) {
      CpuTensor weight = numbers.weight(memory, DType.BF16, 7, 33);
      List<Memory.Part> parts = List.of(new Memory.Part(Crews.stored(weight), null));
      CpuTensor x = memory.input(3, 33, numbers.normal(99, 0, 1));
      CpuTensor expected = memory.allocate(3, 7);
      scalar.project(x, 3, CpuLinear.of(weight, null), expected);
      for (Backend backend : crews.all()) {
        float[] got = product(backend, Quantization.Q8, parts, x, 3, memory);
        Numbers.assertClose(Numbers.rows(expected, 3), got, backend.describe());
      }
      assertSameBits(
          Numbers.rows(expected, 3),
          product(scalar, Quantization.Q8, parts, x, 3, memory),
          "scalar");
    }
  }

  /** By all backends alike, one number of the last block being what it is: just enough, or not. */
  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void whatCannotBeRoundedIsRefused(Quantization quantization) {
    boolean q8 = quantization == Quantization.Q8;
    // Times 127, or 9, f16's largest number and what is rounded to infinity.
    float most = q8 ? 65504f * 127 : 65504f * 9;
    float tooMuch = q8 ? 65520f * 127 : 65520f * 9;
    assertRounds(quantization, most, "");
    assertRounds(quantization, -most, "");
    assertRounds(quantization, tooMuch, tooMuch + ", too large for a scale in f16");
    assertRounds(quantization, -tooMuch, -tooMuch + ", too large for a scale in f16");
    assertRounds(quantization, Float.NaN, "NaN");
    assertRounds(quantization, Float.POSITIVE_INFINITY, "Infinity");
    assertRounds(quantization, Float.NEGATIVE_INFINITY, "-Infinity");
  }

  /**
   * Also where there are so many numbers that they are rounded side by side.
   *
   * @param complaint "" for none
   */
  private void assertRounds(Quantization quantization, float number, String complaint) {
    for (int out : new int[] {33, (1 << 18) / 96 + 1}) {
      try (var memory = new GuardedMemory()) {
        float[] values = new Numbers(9).normal(out * 96, 0, 1);
        values[out * 96 - 2] = number;
        CpuTensor weight = memory.input(out, 96, values);
        List<Memory.Part> parts = List.of(new Memory.Part(Crews.stored(weight), null));
        for (Backend backend : crews.andScalar(scalar)) {
          String what = number + " on " + backend.describe();
          try (Memory rounded = backend.newMemory(quantization)) {
            if (complaint.isEmpty()) {
              assertEquals(out, rounded.linear(parts).out(), what);
              continue;
            }
            var e = assertThrows(UnroundableException.class, () -> rounded.linear(parts), what);
            assertEquals(
                "cannot be rounded to "
                    + (quantization == Quantization.Q8 ? "q8" : "q4")
                    + ": its number at ["
                    + (out - 1)
                    + ", 94] is "
                    + complaint,
                e.getMessage(),
                what);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void nanIsNotHidden(Quantization quantization) {
    Numbers numbers = new Numbers(4);
    try (var memory = new GuardedMemory()) {
      CpuTensor weight = numbers.weight(memory, DType.BF16, 5, 64);
      List<Memory.Part> parts = List.of(new Memory.Part(Crews.stored(weight), null));
      float[] values = numbers.normal(128, 0, 1);
      values[70] = Float.NaN;
      CpuTensor x = memory.input(2, 64, values);
      for (Backend backend : crews.all()) {
        float[] got = product(backend, quantization, parts, x, 2, memory);
        for (int i = 0; i < got.length; i++) {
          assertEquals(i >= 5, Float.isNaN(got[i]), backend.describe());
        }
      }
      assertTrue(Float.isNaN(product(scalar, quantization, parts, x, 2, memory)[5]));
    }
  }

  /**
   * Activations of bf16: near the exact product, the same in company, and no other weights' affair.
   */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "F16", "F32"})
  void bf16RoundsActivationsAlone(DType dtype) {
    Numbers numbers = new Numbers(6);
    for (int in : new int[] {1, 63, 512}) {
      try (var memory = new GuardedMemory()) {
        CpuTensor weight = numbers.weight(memory, dtype, 207, in);
        List<Memory.Part> parts = List.of(new Memory.Part(Crews.stored(weight), null));
        CpuTensor x = memory.input(13, in, numbers.normal(13 * in, 0, 1));
        for (Backend backend : crews.all()) {
          float[] exact = product(backend, Quantization.NONE, parts, x, 13, memory);
          float[] got = product(backend, Quantization.BF16, parts, x, 13, memory);
          boolean rounds = dtype == DType.BF16 && Crews.multipliesPairs(backend);
          String what = dtype + ", " + in + " wide on " + backend.describe();
          assertEquals(!rounds, Arrays.equals(exact, got), what);
          Accuracy.assertClose(exact, got, 1e-2, 1e-4, what);
          for (int rows : ROWS) {
            float[] some = product(backend, Quantization.BF16, parts, x, rows, memory);
            assertSameBits(Arrays.copyOf(got, some.length), some, what);
          }
        }
      }
    }
  }
}
