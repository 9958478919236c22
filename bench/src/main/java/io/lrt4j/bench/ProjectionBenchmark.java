package io.lrt4j.bench;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * y = x W^T at the sizes of Qwen3-0.6B. In a model a weight is not seen again before all others
 * have been, so the benchmark goes round as many copies as no cache holds.
 */
@State(Scope.Benchmark)
public class ProjectionBenchmark {
  /** Inputs x outputs: query, key and value; attention output; gate and up; down; head. */
  @Param({"1024x4096", "2048x1024", "1024x6144", "3072x1024", "1024x151936"})
  public String shape = "";

  /** Tokens at once: decoding, a few sequences, a short question, a chunk of prefill. */
  @Param({"1", "4", "64", "256"})
  public int rows;

  /** Type that the weights are kept in; Q8 and Q4 are rounded from BF16. */
  @Param({"BF16", "F16", "F32", "Q8", "Q4"})
  public DType dtype = DType.BF16;

  /** All copies together, in mebibytes. */
  @Param("512")
  public int mebibytes;

  private final Arena arena = Arena.ofShared();
  private final List<Linear> copies = new ArrayList<>();
  private @Nullable Memory memory;
  private @Nullable Tensor x;
  private @Nullable Tensor y;
  private int next;
  private long bytes;
  private long flops;

  /** Makes inputs and weights. */
  @Setup(Level.Trial)
  public void open(Crew crew) {
    Backend backend = crew.backend();
    int by = shape.indexOf('x');
    int in = Integer.parseInt(shape.substring(0, by));
    int out = Integer.parseInt(shape.substring(by + 1));
    Quantization quantization =
        switch (dtype) {
          case F32, F16, BF16 -> Quantization.NONE;
          case Q8 -> Quantization.Q8;
          case Q4 -> Quantization.Q4;
        };
    DType stored = quantization == Quantization.NONE ? dtype : DType.BF16;
    long size = dtype.bytes((long) in * out);
    MemorySegment first = weights(stored, (long) in * out);
    long count = Math.max(1, ((long) mebibytes << 20) / size);
    memory = backend.newMemory(quantization);
    copies.add(memory.linear(List.of(new Memory.Part(new Weight(stored, out, in, first), null))));
    for (long i = 1; i < count; i++) {
      // What is rounded is a copy anyway.
      MemorySegment copy = stored == dtype ? arena.allocate(size, 64).copyFrom(first) : first;
      copies.add(memory.linear(List.of(new Memory.Part(new Weight(stored, out, in, copy), null))));
    }
    x = memory.allocate(rows, in);
    y = memory.allocate(rows, out);
    backend.write(Numbers.normal(rows * in, 1), x, 0, rows);
    bytes = copies.getFirst().bytes();
    flops = 2L * rows * in * out;
  }

  private MemorySegment weights(DType stored, long elements) {
    MemorySegment data = arena.allocate(stored.bytes(elements), 64);
    SplittableRandom random = new SplittableRandom(1);
    var shorts = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);
    var floats = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    for (long i = 0; i < elements; i++) {
      float value = (float) random.nextDouble(-0.05, 0.05);
      switch (stored) {
        case F32 -> data.setAtIndex(floats, i, value);
        case F16 -> data.setAtIndex(shorts, i, Float.floatToFloat16(value));
        case BF16 ->
            data.setAtIndex(shorts, i, (short) (Float.floatToRawIntBits(value) >>> Short.SIZE));
        case Q8, Q4 -> throw new IllegalArgumentException(stored + " is made of other types");
      }
    }
    return data;
  }

  /** One product. */
  @Benchmark
  public void project(Crew crew, Rates rates) {
    next = (next + 1) % copies.size();
    crew.backend()
        .project(Objects.requireNonNull(x), rows, copies.get(next), Objects.requireNonNull(y));
    rates.add(bytes, flops);
  }

  /** Frees all. */
  @TearDown(Level.Trial)
  public void close() {
    Objects.requireNonNull(memory).close();
    arena.close();
  }
}
