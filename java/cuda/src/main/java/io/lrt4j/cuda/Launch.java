package io.lrt4j.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Objects;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.JCudaDriver;

/**
 * The arguments of a kernel and its launch: {@code
 * launch.of(kernel).pointer(x).number(rows).run(…)}. One object for all launches of a device, which
 * allocate nothing; its user holds the turn.
 */
final class Launch {
  private static final int MOST = 24; // arguments
  private static final long SLOT = 8; // bytes of an argument

  private final Arena arena = Arena.ofAuto(); // as long as the buffer below
  private final MemorySegment arguments = arena.allocate(MOST * SLOT, SLOT);
  private final Pointer pointers;
  private final Device device;
  private CUfunction kernel = new CUfunction();
  private int count;

  Launch(Device device) {
    this.device = device;
    MemorySegment addresses = arena.allocate(MOST * SLOT, SLOT);
    for (int i = 0; i < MOST; i++) {
      addresses.setAtIndex(ValueLayout.JAVA_LONG, i, arguments.address() + i * SLOT);
    }
    pointers = Pointer.to(addresses.asByteBuffer());
  }

  Launch of(CUfunction kernel) {
    this.kernel = kernel;
    count = 0;
    return this;
  }

  <K> Launch of(Map<K, CUfunction> kernels, K key) {
    return of(Objects.requireNonNull(kernels.get(key)));
  }

  /** An address, or a number of 64 bits. */
  Launch pointer(long value) {
    arguments.setAtIndex(ValueLayout.JAVA_LONG, count++, value);
    return this;
  }

  Launch number(int value) {
    arguments.set(ValueLayout.JAVA_INT, count++ * SLOT, value);
    return this;
  }

  Launch number(float value) {
    arguments.set(ValueLayout.JAVA_FLOAT, count++ * SLOT, value);
    return this;
  }

  /** Launches {@code x} by {@code y} blocks of {@code threads}; nothing if there are no blocks. */
  void run(String what, int x, int y, int threads) {
    if (x > 0 && y > 0) {
      device.check(
          JCudaDriver.cuLaunchKernel(
              kernel, x, y, 1, threads, 1, 1, 0, device.stream(), pointers, null),
          what);
    }
  }
}
