package io.lrt4j.evaluation.speed;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.util.function.DoubleSupplier;

/** How fast a device copies its own memory: what its decoding is measured against. */
public final class DeviceBandwidth {
  private static final int ROWS = 1 << 14; // of 16 KiB
  private static final int COLS = 1 << 12;
  private static final int COPIES = 20;

  private DeviceBandwidth() {}

  /** That of a backend with memory of its own, or else the system's, in GB/s as well. */
  public static double gigabytesOr(Backend backend, DoubleSupplier system) {
    return backend.name().equals("cuda") ? gigabytes(backend) : system.getAsDouble();
  }

  /** Gigabytes (10⁹) per second, bytes read and bytes written. */
  private static double gigabytes(Backend backend) {
    try (Memory memory = backend.newMemory()) {
      Tensor from = memory.allocate(ROWS, COLS);
      Tensor to = memory.allocate(ROWS, COLS);
      copy(backend, from, to);
      long start = System.nanoTime();
      for (int i = 0; i < COPIES; i++) {
        backend.copyRows(from, 0, to, 0, ROWS);
      }
      await(backend, to);
      double seconds = (System.nanoTime() - start) / 1e9;
      return 2.0 * COPIES * ROWS * COLS * Float.BYTES / seconds / 1e9;
    }
  }

  private static void copy(Backend backend, Tensor from, Tensor to) {
    backend.copyRows(from, 0, to, 0, ROWS);
    await(backend, to);
  }

  /** Operations are only asked for; reading waits for them. */
  private static void await(Backend backend, Tensor tensor) {
    backend.read(tensor, 0, new float[COLS], 1);
  }
}
