package io.lrt4j.schedule;

import io.lrt4j.OverloadedException;
import java.util.ArrayDeque;
import java.util.Deque;

/** Who may have something computed: so many at a time, and so many more who wait in a line. */
public final class Admission {
  /** Between two looks at whether somebody who waits still wants it. */
  private static final long PATIENCE_MILLIS = 20;

  /** A place, to be closed. */
  public interface Place extends AutoCloseable {
    @Override
    void close();
  }

  private final int concurrency;
  private final int queue;
  private final Deque<Object> line = new ArrayDeque<>(); // guarded by this, as the next two are
  private int free;
  private long inside; // those who wait included

  /** Room for {@code concurrency} at a time and {@code queue} who wait. */
  public Admission(int concurrency, int queue) {
    this.concurrency = concurrency;
    this.queue = queue;
    free = concurrency;
  }

  /**
   * Somebody comes, to wait for a place; whoever has entered leaves.
   *
   * @throws OverloadedException if there are too many already
   */
  public synchronized void enter() {
    if (inside == (long) concurrency + queue) {
      throw new OverloadedException(
          "the engine is busy: it has "
              + concurrency
              + " answers under way (concurrency) and "
              + queue
              + " callers waiting (queue)");
    }
    inside++;
  }

  /** Somebody goes. */
  public synchronized void leave() {
    inside--;
  }

  /** Waits for a place. Whoever is cut off needs none: nothing will be computed for him. */
  public synchronized Place place(Cutoff cutoff) {
    Object ticket = new Object();
    line.add(ticket);
    try {
      while (free == 0 || !ticket.equals(line.peek())) {
        if (cutoff.isReached()) {
          return () -> {};
        }
        wait(PATIENCE_MILLIS);
      }
      free--;
      return this::giveBack;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return () -> {};
    } finally {
      line.remove(ticket);
      notifyAll();
    }
  }

  private synchronized void giveBack() {
    free++;
    notifyAll();
  }
}
