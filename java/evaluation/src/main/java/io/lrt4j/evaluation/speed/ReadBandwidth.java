package io.lrt4j.evaluation.speed;

import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.cpu.nativ.NativeBackend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * The limit of decoding: how fast all threads together read memory that no cache holds, in large
 * pages. It is read in several ways, a few milliseconds at a time, and the fastest of all counts:
 * what disturbs one of them does not lower the limit.
 */
public final class ReadBandwidth implements AutoCloseable {
  private static final VectorSpecies<Long> L = LongVector.SPECIES_PREFERRED;
  private static final int STEP = 8 * L.vectorByteSize();
  private static final int[] STREAMS = {1, 2, 4, 8};
  private static final int LONG_READS = 9;
  private static final int[] AHEAD = {0, 512, 2048, 8192}; // bytes

  /**
   * The fastest of all reads so far.
   *
   * @param gigabytes per second
   * @param how it was read
   */
  public record Best(double gigabytes, String how) {}

  /** One way to read. */
  private record Way(String name, Reader reader) {}

  @FunctionalInterface
  private interface Reader {
    long sum(MemorySegment data);
  }

  private final Arena arena = Arena.ofShared();
  private final ExecutorService crew;
  private final @Nullable NativeBackend nativ;
  private final List<Way> ways = new ArrayList<>();
  private final MemorySegment data;
  private final long window;
  private long at;
  private int turn;
  private long checksum;
  private Way fastest;
  private double most;

  /** A reader of so many mebibytes, of which it reads a sixteenth at a time. */
  public ReadBandwidth(int threads, int mebibytes) {
    long bytes = (long) mebibytes << 20;
    window = bytes / 16;
    data = SystemMemory.allocate(bytes, 64, arena).fill((byte) 1);
    crew = Executors.newFixedThreadPool(threads, Thread.ofPlatform().daemon().factory());
    ways.add(new Way("Java, vector loads", part -> inJava(part, threads)));
    nativ = NativeBackend.missing().isEmpty() ? new NativeBackend(threads) : null;
    if (nativ != null) {
      for (int streams : STREAMS) {
        for (int ahead : AHEAD) {
          ways.add(
              new Way(
                  "C, " + streams + " streams a thread, prefetching " + ahead + " bytes ahead",
                  part -> nativ.read(part, streams, ahead)));
        }
      }
    }
    fastest = ways.getFirst();
  }

  /** Reads for a while, at least once in every way. */
  public Best measure(long millis) {
    Best best = new Best(0, "");
    long end = System.nanoTime() + millis * 1_000_000;
    for (int i = 0; i < ways.size() || System.nanoTime() < end; i++) {
      Way way = ways.get(turn);
      turn = (turn + 1) % ways.size();
      double rate = read(way, 1);
      best = rate > best.gigabytes ? new Best(rate, way.name) : best;
      if (rate > most) {
        most = rate;
        fastest = way;
      }
    }
    return best;
  }

  /**
   * How fast memory is for as long as a decode step takes: GB/s of reads of so many bytes each
   * (whole windows), in the way that has been the fastest; the median of some.
   */
  public double sustained(long bytes) {
    int windows = Math.toIntExact((bytes + window - 1) / window);
    List<Double> rates = new ArrayList<>();
    for (int i = 0; i < LONG_READS; i++) {
      rates.add(read(fastest, windows));
    }
    return Samples.median(rates);
  }

  /** GB/s, which are bytes a nanosecond, of windows one behind the other. */
  private double read(Way way, int windows) {
    long start = System.nanoTime();
    for (int i = 0; i < windows; i++) {
      checksum += way.reader.sum(data.asSlice(at, window));
      at = (at + window) % data.byteSize();
    }
    double rate = (double) window * windows / (System.nanoTime() - start);
    if (checksum == 0) {
      throw new AssertionError("nothing was read");
    }
    return rate;
  }

  private long inJava(MemorySegment part, int threads) {
    long size = part.byteSize() / threads / STEP * STEP;
    List<Callable<Long>> slices = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      MemorySegment slice = part.asSlice(i * size, size);
      slices.add(() -> sum(slice));
    }
    try {
      long sum = 0;
      for (Future<Long> future : crew.invokeAll(slices)) {
        sum += future.get();
      }
      return sum;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  private static long sum(MemorySegment data) {
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

  /** What every way finds in one window, for tests. */
  List<Long> sums() {
    return ways.stream().map(way -> way.reader.sum(data.asSlice(0, window))).toList();
  }

  /** What they should find: the sum of all 64-bit words. */
  long expectedSum() {
    return window / 8 * data.get(ValueLayout.JAVA_LONG, 0);
  }

  @Override
  public void close() {
    crew.shutdown();
    if (nativ != null) {
      nativ.close();
    }
    arena.close();
  }
}
