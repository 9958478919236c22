package io.lrt4j.compute.cpu;

import io.lrt4j.BackendException;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.Arena;

/** Activations outside the Java heap, aligned to cache lines. */
final class CpuMemory implements Memory {
  private static final int ALIGNMENT = 64;
  private final Arena arena = Arena.ofShared();
  private long bytes;

  @Override
  public Tensor allocate(int rows, int cols) {
    long size = Math.multiplyExact((long) rows * cols, (long) DType.F32.bytes());
    try {
      var tensor =
          new CpuTensor(DType.F32, rows, cols, SystemMemory.allocate(size, ALIGNMENT, arena));
      bytes += size;
      return tensor;
    } catch (OutOfMemoryError e) {
      throw new BackendException(
          "no memory for a tensor [" + rows + ", " + cols + "] of " + size + " bytes", e);
    }
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
