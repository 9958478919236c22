package io.lrt4j.compute.cpu.nativ;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.CpuTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** bf16 weights in 12 bits: nothing is lost, and only weights that are like that are folded. */
class FoldingTest {
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private static Stream<NativeBackend> backends() {
    assumeTrue(NativeBackend.missing().isEmpty());
    return Isa.available().stream().map(isa -> new NativeBackend(2, isa));
  }

  /** Skipped, not passed, where no instruction set folds. */
  private static List<NativeBackend> folding() {
    var byFolding = backends().collect(Collectors.partitioningBy(NativeBackend::folds));
    byFolding.get(false).forEach(NativeBackend::close);
    assumeFalse(byFolding.get(true).isEmpty());
    return byFolding.get(true);
  }

  /** Normal numbers of all sizes that those have, some of them listed; off any alignment. */
  private static Weight normal(int rows, int cols, MemorySegment data) {
    Random random = new Random(rows);
    for (long i = 0; i < (long) rows * cols; i++) {
      int bits = Float.floatToRawIntBits(0.02f * (float) random.nextGaussian());
      data.set(SHORT, 2 * i, (short) (bits >> 16));
    }
    for (int bits : new int[] {0x7FC0, 0x7F80, 0xFF80, 0x0001, 0x8000, 0x0000, 0x4780}) {
      data.set(SHORT, 2L * random.nextInt(rows * cols), (short) bits);
    }
    return new Weight(DType.BF16, rows, cols, data);
  }

  private static void holds(NativeBackend backend, Memory memory, FoldedRows table, Weight weight) {
    CpuTensor row = CpuTensor.of(memory.allocate(1, weight.cols()));
    for (int r = 0; r < weight.rows(); r += weight.rows() > 1000 ? 97 : 1) {
      backend.embed(table, new int[] {r}, 0, 1, row);
      for (int k = 0; k < weight.cols(); k++) {
        int expected = weight.data().get(SHORT, 2 * ((long) r * weight.cols() + k)) << 16;
        int found = Float.floatToRawIntBits(row.data().get(CpuTensor.FLOAT, 4L * k));
        assertEquals(expected, found, "row " + r + ", column " + k);
      }
    }
  }

  @Test
  void nothingIsLost() {
    folding()
        .forEach(
            backend -> {
              try (backend;
                  Arena arena = Arena.ofShared()) {
                for (int cols : new int[] {96, 511}) {
                  int rows = 190;
                  MemorySegment data = arena.allocate(2L * rows * cols + 1).asSlice(1);
                  Weight weight = normal(rows, cols, data);
                  try (Memory memory = backend.newMemory(Quantization.NONE)) {
                    var linear = memory.linear(List.of(new Memory.Part(weight, null)));
                    var table = assertInstanceOf(FoldedRows.class, memory.table(linear));
                    assertTrue(memory.bytes() < data.byteSize(), "bytes " + memory.bytes());
                    holds(backend, memory, table, weight);
                  }
                }
              }
            });
  }

  /** A list names steps of two inputs with 16 bits, of which the last number ends it. */
  @Test
  void asWideAsAListCanName() {
    folding()
        .forEach(
            backend -> {
              try (backend;
                  Arena arena = Arena.ofShared();
                  Memory memory = backend.newMemory(Quantization.NONE)) {
                for (int cols : new int[] {2 * 65_535 - 1, 2 * 65_535, 2 * 65_535 + 1}) {
                  Weight weight = normal(64, cols, arena.allocate(2L * 64 * cols));
                  long last = 2L * (7 * cols + cols - 1);
                  weight.data().set(SHORT, last, (short) 0x4780); // far from all others
                  var linear = memory.linear(List.of(new Memory.Part(weight, null)));
                  Tensor table = Objects.requireNonNull(memory.table(linear));
                  assertEquals(cols <= 2 * 65_535, table instanceof FoldedRows, cols + " wide");
                  CpuTensor row = CpuTensor.of(memory.allocate(1, cols));
                  backend.embed(table, new int[] {7}, 0, 1, row);
                  for (int k = 0; k < cols; k++) {
                    int expected = weight.data().get(SHORT, 2 * (7L * cols + k)) << 16;
                    float found = row.data().get(CpuTensor.FLOAT, 4L * k);
                    if (expected != Float.floatToRawIntBits(found)) {
                      fail(cols + " wide: column " + k + " is " + found);
                    }
                  }
                }
              }
            });
  }

  /** A mapped weight is folded in pieces. */
  @Test
  void nothingIsLostOfMappings(@TempDir Path folder) throws IOException {
    int rows = 9_000;
    int cols = 2_048;
    try (Arena arena = Arena.ofShared();
        FileChannel file =
            FileChannel.open(
                folder.resolve("weight"),
                StandardOpenOption.CREATE_NEW,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
      long bytes = 2L * rows * cols;
      Weight weight = normal(rows, cols, file.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena));
      folding()
          .forEach(
              backend -> {
                try (backend;
                    Memory memory = backend.newMemory(Quantization.BF16)) {
                  var linear = memory.linear(List.of(new Memory.Part(weight, null)));
                  var table = assertInstanceOf(FoldedRows.class, memory.table(linear));
                  holds(backend, memory, table, weight);
                }
              });
    }
  }

  /**
   * Weights of all exponents would be a list rather than a table; a narrow one would be padding.
   */
  @Test
  void othersStayAsTheyAre() {
    Random random = new Random(1);
    backends()
        .forEach(
            backend -> {
              try (backend;
                  Arena arena = Arena.ofShared();
                  Memory memory = backend.newMemory(Quantization.NONE)) {
                MemorySegment data = arena.allocate(2L * 64 * 64);
                for (int i = 0; i < 64 * 64; i++) {
                  data.set(SHORT, 2L * i, (short) random.nextInt());
                }
                Weight wild = new Weight(DType.BF16, 64, 64, data);
                Weight narrow = normal(32, 64, arena.allocate(2L * 32 * 64));
                for (Weight weight : List.of(wild, narrow)) {
                  var linear = memory.linear(List.of(new Memory.Part(weight, null)));
                  assertInstanceOf(PackedRows.class, memory.table(linear));
                }
              }
            });
  }
}
