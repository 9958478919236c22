package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.lrt4j.compute.Linear;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A projection whose weights are packed: each vector of a kernel is 16 outputs.
 *
 * @param layers its parts
 * @param parts their {@code lrt_part}s, freed together with what they point to
 */
record NativeLinear(int in, int out, List<Part> layers, MemorySegment parts) implements Linear {
  private static final long PART_BYTES = 24;

  /** One packed linear layer; the bias is f32. */
  record Part(int dtype, int out, MemorySegment packed, @Nullable CpuTensor bias) {}

  static NativeLinear of(int in, List<Part> parts, Arena arena) {
    MemorySegment described = arena.allocate(parts.size() * PART_BYTES, 8);
    int out = 0;
    for (int i = 0; i < parts.size(); i++) {
      Part part = parts.get(i);
      long at = i * PART_BYTES;
      described.set(ADDRESS, at, part.packed);
      described.set(ADDRESS, at + 8, part.bias == null ? MemorySegment.NULL : part.bias.data());
      described.set(JAVA_INT, at + 16, part.dtype);
      described.set(JAVA_INT, at + 20, part.out);
      out += part.out;
    }
    return new NativeLinear(in, out, List.copyOf(parts), described);
  }

  @Override
  public long bytes() {
    return layers.stream().mapToLong(part -> part.packed.byteSize()).sum();
  }

  int count() {
    return layers.size();
  }

  static NativeLinear of(Linear linear) {
    return (NativeLinear) linear;
  }
}
