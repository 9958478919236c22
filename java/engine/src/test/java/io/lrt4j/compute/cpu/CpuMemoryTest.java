package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who owns memory, and that nobody reads it once it is freed. */
class CpuMemoryTest {
  @Test
  void tensorsAreZeroAndAligned() {
    try (var memory = new CpuMemory()) {
      for (int i = 0; i < 20; i++) {
        CpuTensor tensor = CpuTensor.of(memory.allocate(i, 13));
        assertEquals(i, tensor.rows());
        assertEquals(13, tensor.cols());
        assertEquals(DType.F32, tensor.dtype());
        assertEquals(0, tensor.data().address() % 64);
        for (int c = 0; c < i * 13; c++) {
          assertEquals(0f, tensor.get(c / 13, c % 13));
        }
      }
      assertEquals(13 * 4 * 190, memory.bytes());
    }
  }

  @Test
  void tooLargeIsRefused() {
    try (var memory = new CpuMemory()) {
      assertThrows(
          io.lrt4j.BackendException.class,
          () -> memory.allocate(Integer.MAX_VALUE, Integer.MAX_VALUE / 4));
      assertEquals(0, memory.bytes());
      memory.allocate(1, 1);
      assertEquals(4, memory.bytes());
    }
  }

  /** Every operation on every backend refuses freed memory rather than read it. */
  @Test
  void closedIsRefused() {
    try (var scalar = new ScalarBackend();
        var vector = new VectorBackend(2)) {
      for (Backend backend : List.of(scalar, vector)) {
        var memory = new CpuMemory();
        CpuTensor freed = memory.allocate(4, 4);
        memory.close();
        memory.close();
        assertThrows(IllegalStateException.class, () -> memory.allocate(1, 1));
        try (var open = new CpuMemory()) {
          CpuTensor x = open.allocate(4, 4);
          Tensor norm = open.allocate(1, 4);
          CpuLinear p = CpuLinear.of(x, null);
          CpuLinear gone = CpuLinear.of(freed, null);
          refused(() -> backend.norm(freed, 4, norm, 1, x));
          refused(() -> backend.norm(x, 4, norm, 1, freed));
          refused(() -> backend.project(freed, 4, p, x));
          refused(() -> backend.project(x, 4, gone, x));
          refused(() -> backend.project(x, 1, gone, x));
          refused(() -> backend.project(x, 4, p, freed));
          refused(() -> backend.projectAdd(x, 1, p, freed));
          refused(() -> backend.copyRows(freed, 0, x, 0, 1));
          refused(() -> backend.copyRows(x, 0, freed, 0, 1));
          refused(() -> backend.embed(freed, new int[1], 0, 1, x));
          refused(() -> backend.read(freed, 0, new float[4], 1));
          refused(() -> backend.write(new float[4], freed, 0, 1));
          refused(() -> backend.multiplyRow(freed, 0, x, 1, x));
          refused(() -> backend.summarize(freed, 0, new LogitSummary()));
          backend.norm(x, 4, norm, 1, x); // and goes on
        }
      }
    }
  }

  @Test
  void aliveIsWhatIsNotFreed() {
    var memory = new CpuMemory();
    MemorySegment data = memory.allocate(1, 1).data();
    assertSame(data, CpuMemory.alive(data));
    assertSame(MemorySegment.NULL, CpuMemory.alive(MemorySegment.NULL));
    memory.close();
    assertEquals(
        "memory that has been freed",
        assertThrows(IllegalStateException.class, () -> CpuMemory.alive(data)).getMessage());
  }

  private static void refused(Runnable operation) {
    assertThrows(IllegalStateException.class, operation::run);
  }

  @Test
  void aTensorFitsItsData() {
    MemorySegment data = MemorySegment.ofArray(new byte[24]);
    assertEquals(24, new CpuTensor(DType.BF16, 3, 4, data).data().byteSize());
    assertThrows(IllegalArgumentException.class, () -> new CpuTensor(DType.F32, 3, 4, data));
    assertThrows(IllegalArgumentException.class, () -> new CpuTensor(DType.BF16, 3, 3, data));
    assertThrows(
        ArithmeticException.class,
        () -> new CpuTensor(DType.F32, Integer.MAX_VALUE, Integer.MAX_VALUE, data));
  }

  @Test
  void scratchGrowsAndCloses() {
    var scratch = new Scratch();
    MemorySegment small = scratch.ensure(100);
    assertTrue(small.byteSize() >= 100);
    assertEquals(0, small.address() % 64);
    assertSame(small, scratch.ensure(50));
    MemorySegment large = scratch.ensure(10_000);
    assertTrue(large.byteSize() >= 10_000);
    assertFalse(small.scope().isAlive(), "what it outgrew is freed");
    scratch.close();
    scratch.close();
    assertFalse(large.scope().isAlive());
    assertThrows(IllegalStateException.class, () -> scratch.ensure(20_000));
  }
}
