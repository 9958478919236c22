package io.lrt4j.training;

import io.lrt4j.compute.Closing;
import java.util.Deque;
import java.util.List;

/** Closes what belongs together. */
final class Resources {
  private Resources() {}

  /** Closes all, the last opened first, and throws what was thrown first. */
  static void close(Deque<AutoCloseable> opened) {
    List<AutoCloseable> all = List.copyOf(opened);
    opened.clear();
    Closing.each(all, Resources::close);
  }

  private static void close(AutoCloseable resource) {
    try {
      resource.close();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
