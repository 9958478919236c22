package io.lrt4j.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.ThreadParams;

/**
 * The limit of decoding: how fast all threads together can read memory that no cache holds. Each
 * sums its own slice, with the same loads as the kernels and next to no arithmetic.
 */
public class ReadBandwidth {
  private static final VectorSpecies<Long> L = LongVector.SPECIES_PREFERRED;
  private static final int STEP = 8 * L.vectorByteSize();

  /** The memory that is read, shared by all threads. */
  @State(Scope.Benchmark)
  public static class Source {
    /** Mebibytes, far more than the caches hold. */
    @Param("1024")
    public int mebibytes;

    /** Plain memory, or a mapped file in the page cache, as weights are. */
    @Param({"memory", "file"})
    public String kind = "";

    private final Arena arena = Arena.ofShared();
    private MemorySegment data = MemorySegment.NULL;

    /** Fills it, so that every page is there. */
    @Setup(Level.Trial)
    public void open() throws IOException {
      long bytes = (long) mebibytes << 20;
      data = kind.equals("file") ? mapped(bytes, arena) : allocated(bytes, arena);
    }

    /** Frees it. */
    @TearDown(Level.Trial)
    public void close() {
      arena.close();
    }
  }

  /** The part of one thread. */
  @State(Scope.Thread)
  public static class Slice {
    private MemorySegment data = MemorySegment.NULL;

    /** Cuts it out. */
    @Setup(Level.Trial)
    public void cut(Source source, ThreadParams threads) {
      data = slice(source.data, threads.getThreadIndex(), threads.getThreadCount());
    }
  }

  /** One pass over a thread's slice. */
  @Benchmark
  public long read(Slice slice, Rates rates) {
    rates.add(slice.data.byteSize(), 0);
    return sum(slice.data);
  }

  static MemorySegment allocated(long bytes, Arena arena) {
    return arena.allocate(bytes, 64).fill((byte) 1);
  }

  private static MemorySegment mapped(long bytes, Arena arena) throws IOException {
    Path file = Files.createTempFile("lrt4j-bench", ".bin");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena).fill((byte) 1);
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
    } finally {
      Files.delete(file); // the mapping keeps what it needs
    }
  }

  static MemorySegment slice(MemorySegment data, int index, int count) {
    long size = data.byteSize() / count / STEP * STEP;
    return data.asSlice(index * size, size);
  }

  static long sum(MemorySegment data) {
    LongVector s0 = LongVector.zero(L);
    LongVector s1 = s0;
    LongVector s2 = s0;
    LongVector s3 = s0;
    LongVector s4 = s0;
    LongVector s5 = s0;
    LongVector s6 = s0;
    LongVector s7 = s0;
    int width = L.vectorByteSize();
    for (long at = 0; at + STEP <= data.byteSize(); at += STEP) {
      s0 = s0.add(load(data, at));
      s1 = s1.add(load(data, at + width));
      s2 = s2.add(load(data, at + 2L * width));
      s3 = s3.add(load(data, at + 3L * width));
      s4 = s4.add(load(data, at + 4L * width));
      s5 = s5.add(load(data, at + 5L * width));
      s6 = s6.add(load(data, at + 6L * width));
      s7 = s7.add(load(data, at + 7L * width));
    }
    LongVector sum = s0.add(s1).add(s2.add(s3)).add(s4.add(s5).add(s6.add(s7)));
    return sum.reduceLanes(VectorOperators.ADD);
  }

  private static LongVector load(MemorySegment data, long at) {
    return LongVector.fromMemorySegment(L, data, at, ByteOrder.LITTLE_ENDIAN);
  }
}
