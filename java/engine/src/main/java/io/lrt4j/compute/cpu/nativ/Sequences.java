package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A batch in C's eyes: one {@code lrt_run} a sequence, and where its keys and values lie. */
final class Sequences implements AutoCloseable {
  private static final long RUN_BYTES = 24;
  private static final long SPAN_BYTES = 32;

  private final Arena arena = Arena.ofShared(); // outgrown ones go with the rest
  private MemorySegment runs = MemorySegment.NULL;
  private MemorySegment spans = MemorySegment.NULL;

  /** Describes one layer of a batch; what was described before is gone. */
  MemorySegment describe(Batch batch, int layer) {
    int count = 0;
    for (int run = 0; run < batch.runs(); run++) {
      count += batch.cache(run).spans();
    }
    runs = room(runs, batch.runs() * RUN_BYTES);
    spans = room(spans, count * SPAN_BYTES);
    long at = 0;
    for (int run = 0; run < batch.runs(); run++) {
      KvCache cache = batch.cache(run);
      int rows = batch.firstRow(run + 1) - batch.firstRow(run);
      long r = run * RUN_BYTES;
      runs.set(JAVA_INT, r, batch.firstRow(run));
      runs.set(JAVA_INT, r + 4, rows);
      runs.set(JAVA_INT, r + 8, cache.length());
      runs.set(JAVA_INT, r + 12, cache.spans());
      runs.set(JAVA_LONG, r + 16, spans.address() + at);
      for (int span = 0; span < cache.spans(); span++) {
        KvCache owner = cache.span(span);
        spans.set(JAVA_LONG, at, address(CpuTensor.of(owner.keys(layer))));
        spans.set(JAVA_LONG, at + 8, address(CpuTensor.of(owner.values(layer))));
        spans.set(JAVA_LONG, at + 16, (long) owner.capacity() * owner.headDim());
        spans.set(JAVA_INT, at + 24, owner.base());
        spans.set(JAVA_INT, at + 28, cache.spanEnd(span, cache.length() + rows));
        at += SPAN_BYTES;
      }
    }
    return runs;
  }

  private static long address(CpuTensor tensor) {
    if (!tensor.data().scope().isAlive()) {
      throw new IllegalStateException("K/V cache is closed");
    }
    return tensor.data().address();
  }

  private MemorySegment room(MemorySegment data, long bytes) {
    return data.byteSize() >= bytes ? data : arena.allocate(2 * bytes, ADDRESS.byteAlignment());
  }

  @Override
  public void close() {
    arena.close();
  }
}
