package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.nativ.Isa;
import io.lrt4j.compute.cpu.nativ.NativeBackend;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The backends under test: {@code vector}, and {@code native} with every instruction set that this
 * machine has (unless {@code lrt4j.test.backend} is {@code vector}). Those that compute the same
 * bits, on different numbers of threads or with other instructions, are one family.
 */
final class Crews implements AutoCloseable {
  private final List<List<Backend>> families = new ArrayList<>();
  private final Map<Backend, Map<CpuLinear, Linear>> packed = new HashMap<>();
  private final List<Memory> memories = new ArrayList<>();

  Crews() {
    families.add(List.of(new VectorBackend(1), new VectorBackend(2), new VectorBackend(3)));
    boolean all = !"vector".equals(System.getProperty("lrt4j.test.backend"));
    if (all && NativeBackend.missing().isEmpty()) {
      for (Isa isa : Isa.available()) {
        if (isa != Isa.AVX_VNNI) { // which computes what AVX2 does
          families.add(new ArrayList<>());
        }
        families.getLast().add(new NativeBackend(1, isa));
        families.getLast().add(new NativeBackend(2, isa));
      }
    }
  }

  /** Whether a backend has instructions for pairs of bf16, which take subnormal numbers for 0. */
  static boolean multipliesPairs(Backend backend) {
    return backend.describe().contains("BF16") || backend.describe().contains("AMX");
  }

  List<List<Backend>> families() {
    return families;
  }

  List<Backend> all() {
    return families.stream().flatMap(List::stream).toList();
  }

  /** The same behind {@code scalar}. */
  List<Backend> andScalar(ScalarBackend scalar) {
    return Stream.concat(Stream.of(scalar), all().stream()).toList();
  }

  /** A projection as {@code backend} keeps it, until {@link #forget}. */
  Linear linear(Backend backend, CpuLinear p) {
    if (!(backend instanceof NativeBackend)) {
      return p;
    }
    return packed
        .computeIfAbsent(backend, b -> new HashMap<>())
        .computeIfAbsent(p, q -> pack(backend, q));
  }

  private Linear pack(Backend backend, CpuLinear p) {
    List<Memory.Part> parts = new ArrayList<>();
    for (CpuLinear.Part part : p.parts()) {
      parts.add(
          new Memory.Part(stored(part.weight()), part.bias() == null ? null : stored(part.bias())));
    }
    Memory memory = backend.newMemory();
    memories.add(memory);
    return memory.linear(parts);
  }

  static Weight stored(CpuTensor tensor) {
    return new Weight(tensor.dtype(), tensor.rows(), tensor.cols(), tensor.data());
  }

  /** Frees what {@link #linear} made. */
  void forget() {
    memories.forEach(Memory::close);
    memories.clear();
    packed.clear();
  }

  @Override
  public void close() {
    forget();
    all().forEach(Backend::close);
  }
}
