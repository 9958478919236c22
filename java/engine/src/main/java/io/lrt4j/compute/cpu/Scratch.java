package io.lrt4j.compute.cpu;

import io.lrt4j.BackendException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Working memory that grows to the largest size asked for, and so stops growing once a session has
 * its shape.
 */
final class Scratch implements AutoCloseable {
  private static final int ALIGNMENT = 64;
  private Arena arena = Arena.ofShared();
  private MemorySegment data = MemorySegment.NULL;

  /** At least {@code bytes} bytes; what was there before may be gone. */
  @SuppressWarnings("MustBeClosedChecker") // close() closes the latest
  MemorySegment ensure(long bytes) {
    if (data.byteSize() < bytes) {
      arena.close();
      arena = Arena.ofShared();
      data = MemorySegment.NULL;
      try {
        data = arena.allocate(bytes, ALIGNMENT);
      } catch (OutOfMemoryError e) {
        throw new BackendException("no memory for " + bytes + " bytes of scratch", e);
      }
    }
    return data;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
