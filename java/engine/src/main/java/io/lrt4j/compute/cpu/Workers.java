package io.lrt4j.compute.cpu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed crew of threads that shares out the tasks of one job at a time. Waiting threads spin
 * briefly, as the next job of a token is microseconds away, then park, as somebody else may need
 * the core. A job allocates nothing. A thread that the system has put aside holds up no more than
 * the task it is in: tasks are taken one by one.
 */
final class Workers implements AutoCloseable {
  /** Work that falls into independent tasks. */
  @FunctionalInterface
  interface Job {
    /** Does task {@code task} on worker {@code worker} (0 is the caller). */
    void run(int task, int worker);
  }

  private static final long SPIN_NANOS = 50_000;
  private static final VarHandle STATE;
  private static final VarHandle DONE;
  private static final VarHandle PARKED = MethodHandles.arrayElementVarHandle(int[].class);

  static {
    try {
      var lookup = MethodHandles.lookup();
      STATE = lookup.findVarHandle(Workers.class, "state", long.class);
      DONE = lookup.findVarHandle(Workers.class, "done", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  // Task count (high half) and next task (low half) of the current job in one word, so that taking
  // a task is one compare-and-set and
  // whoever succeeds holds a task of the job that "job" names: it stays there until all its tasks
  // are done.
  @SuppressWarnings("unused") // through STATE
  private volatile long state;

  @SuppressWarnings("unused") // through DONE
  private volatile int done;

  private final Thread[] threads;
  private final int[] parked; // of each thread; accessed through PARKED
  private volatile @Nullable Thread waiting; // the caller, once it parks
  private volatile @Nullable Throwable failure;
  private volatile boolean closed;
  private @Nullable Job job; // published by state

  /** A crew of {@code size}, the caller of {@link #run} included. */
  Workers(int size) {
    threads = new Thread[size - 1];
    parked = new int[size - 1];
    for (int i = 0; i < threads.length; i++) {
      int worker = i + 1;
      threads[i] = new Thread(() -> work(worker), "lrt4j-worker-" + worker);
      threads[i].setDaemon(true);
      threads[i].start();
    }
  }

  int size() {
    return threads.length + 1;
  }

  /**
   * Runs tasks 0 … tasks-1 and returns when all are done. One caller at a time; what a task throws,
   * this throws.
   */
  void run(Job job, int tasks) {
    if (closed) {
      throw new IllegalStateException("the backend is closed");
    }
    if (threads.length == 0 || tasks <= 1) {
      for (int task = 0; task < tasks; task++) {
        job.run(task, 0);
      }
      return;
    }
    this.job = job;
    failure = null;
    DONE.set(this, 0);
    STATE.setVolatile(this, (long) tasks << 32);
    for (int i = 0; i < threads.length; i++) {
      if ((int) PARKED.getVolatile(parked, i) != 0) {
        LockSupport.unpark(threads[i]);
      }
    }
    takeTasks(0);
    awaitDone(tasks);
    Throwable thrown = failure;
    if (thrown instanceof RuntimeException e) {
      throw e;
    }
    if (thrown instanceof Error e) {
      throw e;
    }
  }

  private void awaitDone(int tasks) {
    long deadline = 0;
    while ((int) DONE.getAcquire(this) < tasks) {
      if (deadline == 0) {
        deadline = System.nanoTime() + SPIN_NANOS;
      } else if (System.nanoTime() > deadline) {
        waiting = Thread.currentThread();
        if ((int) DONE.getVolatile(this) < tasks) {
          LockSupport.park(this);
        }
        waiting = null;
      }
      Thread.onSpinWait();
    }
  }

  private void takeTasks(int worker) {
    while (true) {
      long now = (long) STATE.getVolatile(this);
      if (allTaken(now)) {
        return;
      }
      int tasks = (int) (now >>> 32);
      int task = (int) now;
      if (STATE.compareAndSet(this, now, now + 1)) {
        try {
          Job current = job;
          if (current != null && failure == null) {
            current.run(task, worker);
          }
        } catch (RuntimeException | Error e) {
          failure = e;
        }
        if ((int) DONE.getAndAdd(this, 1) + 1 == tasks) {
          Thread caller = waiting;
          if (caller != null) {
            LockSupport.unpark(caller);
          }
        }
      }
    }
  }

  private void work(int worker) {
    while (!closed) {
      takeTasks(worker);
      long deadline = System.nanoTime() + SPIN_NANOS;
      while (idle()) {
        if (System.nanoTime() > deadline) {
          PARKED.setVolatile(parked, worker - 1, 1);
          if (idle()) {
            LockSupport.park(this);
          }
          PARKED.setVolatile(parked, worker - 1, 0);
        }
        Thread.onSpinWait();
      }
    }
  }

  private boolean idle() {
    return allTaken((long) STATE.getVolatile(this)) && !closed;
  }

  private static boolean allTaken(long state) {
    return (int) state >= (int) (state >>> 32);
  }

  /** Ends the threads. The caller sees to it that no job runs. */
  @Override
  public void close() {
    closed = true;
    for (Thread thread : threads) {
      LockSupport.unpark(thread);
    }
    boolean interrupted = false;
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
