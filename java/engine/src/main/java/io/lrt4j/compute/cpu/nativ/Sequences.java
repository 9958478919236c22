package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.cpu.CpuMemory;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A batch in C's eyes: one {@code lrt_run} a sequence, and where its keys and values lie. */
final class Sequences implements AutoCloseable {
  private static final long RUN_BYTES = 32;
  private static final long SPAN_BYTES = 32;

  private final Arena arena = Arena.ofShared(); // outgrown ones go with the rest
  private MemorySegment runs = MemorySegment.NULL;
  private MemorySegment spans = MemorySegment.NULL;

  /**
   * Describes a batch in one layer, the first if C is to run all; what was described before is
   * gone.
   */
  MemorySegment describe(Batch batch, int layer) {
    int count = 0;
    for (int run = 0; run < batch.runs(); run++) {
      count += batch.cache(run).blocks();
    }
    runs = room(runs, batch.runs() * RUN_BYTES);
    spans = room(spans, count * SPAN_BYTES);
    long at = 0;
    for (int run = 0; run < batch.runs(); run++) {
      KvCache cache = batch.cache(run);
      int rows = batch.firstRow(run + 1) - batch.firstRow(run);
      int begin = batch.position(run, batch.firstRow(run));
      int end = begin + rows;
      int length = cache.blockLength();
      long r = run * RUN_BYTES;
      runs.set(JAVA_INT, r, batch.firstRow(run));
      runs.set(JAVA_INT, r + 4, rows);
      runs.set(JAVA_INT, r + 8, begin);
      runs.set(JAVA_INT, r + 12, Math.ceilDiv(end, length));
      runs.set(JAVA_LONG, r + 16, spans.address() + at);
      runs.set(JAVA_INT, r + 24, batch.wanted(run));
      for (int from = 0; from < end; from += length) {
        CpuTensor block = CpuTensor.of(cache.block(from / length));
        long address = CpuMemory.alive(block.data()).address();
        spans.set(JAVA_LONG, at, address + block.row(cache.keyRow(layer, 0)));
        spans.set(JAVA_LONG, at + 8, address + block.row(cache.valueRow(layer, 0)));
        spans.set(JAVA_INT, at + 16, length * cache.headDim());
        spans.set(JAVA_INT, at + 20, NativeMemory.number(block.dtype()));
        spans.set(JAVA_INT, at + 24, from);
        spans.set(JAVA_INT, at + 28, Math.min(from + length, end));
        at += SPAN_BYTES;
      }
    }
    return runs;
  }

  private MemorySegment room(MemorySegment data, long bytes) {
    return data.byteSize() >= bytes ? data : arena.allocate(2 * bytes, ADDRESS.byteAlignment());
  }

  @Override
  public void close() {
    arena.close();
  }
}
