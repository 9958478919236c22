package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;

import io.lrt4j.compute.Activations;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.CpuMemory;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What flows through decoder layers in C's eyes: one {@code lrt_activations}. */
final class NativeActivations {
  private static final int COUNT = 5;

  private final MemorySegment described;

  NativeActivations(Arena arena) {
    described = arena.allocate(ADDRESS, COUNT);
  }

  /** Describes these; what was described before is gone. */
  MemorySegment describe(Activations a, Tensor rope) {
    put(0, a.x());
    put(1, a.qkv());
    put(2, a.mixed());
    put(3, a.mlp());
    put(4, rope);
    return described;
  }

  private void put(int i, Tensor tensor) {
    described.setAtIndex(ADDRESS, i, CpuMemory.alive(CpuTensor.of(tensor).data()));
  }
}
