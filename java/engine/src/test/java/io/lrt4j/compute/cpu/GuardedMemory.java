package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Tensors with guard bytes before and behind, off any alignment if asked to. What a kernel is to
 * fill is poisoned with NaN; what it is only to read is recorded. {@link #check} finds a write that
 * went astray; a read that did so turns up as NaN in the result.
 */
final class GuardedMemory implements Memory {
  /** The NaN that outputs hold before the call. */
  static final int POISON = 0x7FC0DEAD;

  private static final byte GUARD = (byte) 0xFF; // a NaN in every type
  private static final int GUARD_BYTES = 320;
  private static final MemorySegment GUARDS = // as long as the longest
      MemorySegment.ofArray(new byte[GUARD_BYTES + 64]).fill(GUARD).asReadOnly();
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private record Recorded(String what, MemorySegment data, MemorySegment copy) {}

  private final Arena arena = Arena.ofShared();
  private final List<Recorded> recorded = new ArrayList<>();
  private long bytes;

  /** A poisoned f32 tensor. */
  @Override
  public CpuTensor allocate(int rows, int cols) {
    CpuTensor tensor = tensor(DType.F32, rows, cols, 0);
    int[] poison = new int[rows * cols];
    Arrays.fill(poison, POISON);
    MemorySegment.copy(poison, 0, tensor.data(), INT, 0, poison.length);
    return tensor;
  }

  /** Full of NaN. */
  @Override
  public CpuTensor allocate(DType type, int rows, int cols) {
    return type == DType.F32 ? allocate(rows, cols) : tensor(type, rows, cols, 0);
  }

  /** A tensor with unspecified content, {@code misaligned} bytes off a multiple of 64. */
  CpuTensor tensor(DType dtype, int rows, int cols, int misaligned) {
    long size = dtype.bytes((long) rows * cols);
    MemorySegment all = arena.allocate(size + 2 * GUARD_BYTES + misaligned, 64);
    all.fill(GUARD);
    long start = (long) GUARD_BYTES + misaligned;
    guard("the guard before a tensor", all.asSlice(0, start));
    guard("the guard behind a tensor", all.asSlice(start + size));
    bytes += size;
    return new CpuTensor(dtype, rows, cols, all.asSlice(start, size));
  }

  /** An f32 tensor that must not change. */
  CpuTensor input(int rows, int cols, float[] values) {
    CpuTensor tensor = filled(rows, cols, values);
    record(tensor);
    return tensor;
  }

  /** An f32 tensor whose first rows hold {@code values}; further ones are poisoned. */
  CpuTensor filled(int rows, int cols, float[] values) {
    CpuTensor tensor = allocate(rows, cols);
    MemorySegment.copy(values, 0, tensor.data(), CpuTensor.FLOAT, 0, values.length);
    return tensor;
  }

  /** From now on, {@code tensor} must not change. */
  void record(Tensor tensor) {
    record("an input", CpuTensor.of(tensor).data());
  }

  private void guard(String what, MemorySegment data) {
    recorded.add(new Recorded(what, data, GUARDS.asSlice(0, data.byteSize())));
  }

  private void record(String what, MemorySegment data) {
    MemorySegment copy = arena.allocate(data.byteSize(), 1);
    recorded.add(new Recorded(what, data, copy.copyFrom(data)));
  }

  /** Neither guards nor inputs have changed. */
  void check(String what) {
    for (Recorded r : recorded) {
      assertEquals(-1, r.data.mismatch(r.copy), () -> what + " wrote over " + r.what);
    }
  }

  /** Rows from {@code row} on hold their poison still. */
  static void checkPoison(CpuTensor tensor, int row, String what) {
    for (int value : tensor.data().asSlice(tensor.row(row)).toArray(INT)) {
      assertEquals(POISON, value, () -> what + " wrote into further rows");
    }
  }

  /** A backend that only hands out this memory, for K/V caches to live in. */
  Backend forCaches() {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("newMemory")) {
                return this;
              }
              if (method.getName().equals("caches")) {
                return true;
              }
              if (method.getName().equals("copyRows")) {
                CpuTensor from = CpuTensor.of((Tensor) arguments[0]);
                CpuTensor.of((Tensor) arguments[2]).data().copyFrom(from.data());
                return null;
              }
              throw new UnsupportedOperationException(method.getName());
            });
  }

  @Override
  public CpuTensor weight(Weight stored) {
    throw new UnsupportedOperationException();
  }

  @Override
  public CpuLinear linear(List<Part> parts) {
    throw new UnsupportedOperationException();
  }

  @Override
  public long bytes() {
    return bytes;
  }

  /** Frees everything; a cache that lives here is not closed on its own. */
  @Override
  public void close() {
    arena.close();
  }
}
