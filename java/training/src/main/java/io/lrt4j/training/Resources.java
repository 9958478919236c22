package io.lrt4j.training;

import java.util.Deque;

/** Closes what belongs together. */
final class Resources {
  private Resources() {}

  /** Closes all, the last opened first, and throws what was thrown first. */
  static void close(Deque<AutoCloseable> opened) {
    RuntimeException failure = null;
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception e) {
        if (failure == null) {
          failure = e instanceof RuntimeException r ? r : new IllegalStateException(e);
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
