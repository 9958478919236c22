package io.lrt4j.cli;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Closing;
import io.lrt4j.evaluation.speed.DeviceBandwidth;
import io.lrt4j.evaluation.speed.ReadBandwidth;
import java.util.HashMap;
import java.util.Map;

/** How fast memory is beside a decode step, which waits for it. */
final class BenchMemory implements AutoCloseable {
  private final Map<Integer, ReadBandwidth> readers = new HashMap<>(); // by threads
  private final long leastBytes;
  private final int mebibytes;

  /**
   * Nothing is read yet.
   *
   * @param leastBytes of a step; what less it reads may come out of caches
   * @param mebibytes of memory that is read here
   */
  BenchMemory(long leastBytes, int mebibytes) {
    this.leastBytes = leastBytes;
    this.mebibytes = mebibytes;
  }

  /** Whether a step that reads so many bytes waits for memory. */
  boolean isWaitedFor(long bytes) {
    return bytes >= leastBytes;
  }

  /**
   * GB/s of memory, a GPU's own where one decodes, read for as long as a step takes.
   *
   * @param bytes that a step reads
   */
  double gigabytesPerSecond(Backend backend, int threads, long bytes) {
    return DeviceBandwidth.gigabytesOr(backend, () -> sustained(threads, bytes));
  }

  private double sustained(int threads, long bytes) {
    ReadBandwidth reader = readers.computeIfAbsent(threads, n -> new ReadBandwidth(n, mebibytes));
    var _ = reader.measure(0); // once in every way, of which the fastest counts
    return reader.sustained(bytes);
  }

  @Override
  public void close() {
    Closing.each(readers.values(), ReadBandwidth::close);
  }
}
