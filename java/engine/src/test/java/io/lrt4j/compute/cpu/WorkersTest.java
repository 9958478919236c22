package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.compute.DType;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The crew: every task once, whatever goes wrong in one of them, and gone when closed. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD) // a crew that fails hangs
@Isolated("it counts the threads of the process")
class WorkersTest {
  private static final int[] TASKS = {0, 1, 2, 3, 7, 8, 9, 31, 64, 257, 1000};

  /** Also with many more threads than processors. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void everyTaskOnce(int size) {
    try (var workers = new Workers(size)) {
      assertEquals(size, workers.size());
      for (int round = 0; round < 200; round++) {
        for (int tasks : TASKS) {
          AtomicIntegerArray runs = new AtomicIntegerArray(tasks);
          AtomicInteger strangers = new AtomicInteger();
          workers.run(
              (task, worker) -> {
                runs.incrementAndGet(task);
                if (worker < 0 || worker >= size) {
                  strangers.incrementAndGet();
                }
              },
              tasks);
          for (int task = 0; task < tasks; task++) {
            assertEquals(1, runs.get(task), "task " + task + " of " + tasks);
          }
          assertEquals(0, strangers.get());
        }
      }
    }
  }

  /** Jobs of the same size one right after the other: a late worker must not take an old one's. */
  @ParameterizedTest
  @ValueSource(ints = {2, 8})
  void shortJobsInARow(int size) {
    try (var workers = new Workers(size)) {
      int[] sums = new int[3];
      for (int round = 1; round <= 50_000; round++) {
        int add = round;
        workers.run((task, worker) -> sums[task] += add, sums.length); // plain: run() publishes
        if (sums[0] != sums[1] || sums[1] != sums[2]) {
          assertEquals(sums[0], sums[1], "round " + round);
          assertEquals(sums[1], sums[2], "round " + round);
        }
      }
      assertEquals((int) (50_000L * 50_001 / 2), sums[0]);
    }
  }

  /** A worker number is one thread's at a time, so that buffers by worker are safe. */
  @Test
  void aWorkerIsOneThread() {
    try (var workers = new Workers(4)) {
      Map<Integer, Thread> seen = new ConcurrentHashMap<>();
      AtomicInteger others = new AtomicInteger();
      for (int round = 0; round < 500; round++) {
        workers.run(
            (task, worker) -> {
              Thread first = seen.putIfAbsent(worker, Thread.currentThread());
              if (first != null && !first.equals(Thread.currentThread())) {
                others.incrementAndGet();
              }
            },
            16);
      }
      assertEquals(0, others.get());
      assertSame(Thread.currentThread(), seen.get(0));
    }
  }

  @Test
  void allWorkersTakePart() {
    int size = 4;
    try (var workers = new Workers(size)) {
      CountDownLatch allHere = new CountDownLatch(size);
      AtomicInteger together = new AtomicInteger();
      workers.run(
          (task, worker) -> {
            allHere.countDown();
            awaitUninterruptibly(allHere); // no task ends before all have begun
            together.incrementAndGet();
          },
          size);
      assertEquals(size, together.get());
    }
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void failuresReachTheCaller(int size) {
    try (var workers = new Workers(size)) {
      for (int round = 0; round < 300; round++) {
        int bad = round % 64;
        Throwable failure =
            round % 2 == 0 ? new IllegalArgumentException("bad") : new StackOverflowError("bad");
        Throwable thrown =
            assertThrows(
                Throwable.class,
                () ->
                    workers.run(
                        (task, worker) -> {
                          if (task == bad && failure instanceof RuntimeException e) {
                            throw e;
                          }
                          if (task == bad && failure instanceof Error e) {
                            throw e;
                          }
                        },
                        64));
        assertSame(failure, thrown);
        AtomicInteger after = new AtomicInteger();
        workers.run((task, worker) -> after.incrementAndGet(), 64);
        assertEquals(64, after.get(), "the crew goes on");
      }
    }
  }

  @Test
  void allTasksMayFail() {
    try (var workers = new Workers(3)) {
      for (int round = 0; round < 1000; round++) {
        assertThrows(
            IllegalStateException.class,
            () ->
                workers.run(
                    (task, worker) -> {
                      throw new IllegalStateException();
                    },
                    50));
      }
    }
  }

  /** Workers that have gone to sleep wake up for the next job. */
  @Test
  void sleepersWakeUp() {
    Set<Thread> before = workers();
    try (var workers = new Workers(3)) {
      Set<Thread> crew = workers();
      crew.removeAll(before);
      for (int round = 0; round < 50; round++) {
        while (crew.stream().anyMatch(thread -> thread.getState() != Thread.State.WAITING)) {
          Thread.onSpinWait();
        }
        CountDownLatch allHere = new CountDownLatch(3);
        workers.run(
            (task, worker) -> {
              allHere.countDown();
              awaitUninterruptibly(allHere);
            },
            3);
        assertEquals(0, allHere.getCount());
      }
    }
  }

  @Test
  void anInterruptedCallerFinishesAndStaysInterrupted() {
    try (var workers = new Workers(2)) {
      for (int round = 0; round < 100; round++) {
        AtomicInteger done = new AtomicInteger();
        AtomicInteger begun = new AtomicInteger();
        Thread.currentThread().interrupt();
        workers.run(
            (task, worker) -> {
              begun.incrementAndGet();
              while (begun.get() < 2) {
                Thread.onSpinWait();
              }
              if (worker != 0) { // the caller has to wait for it
                for (int i = 0; i < 20_000; i++) {
                  Thread.onSpinWait();
                }
              }
              done.incrementAndGet();
            },
            2);
        assertEquals(2, done.get());
        assertTrue(Thread.interrupted());
      }
    }
  }

  @Test
  void closeWhileInterruptedEndsTheThreadsAndKeepsTheInterrupt() {
    Set<Thread> before = workers();
    var crew = new Workers(3);
    Thread.currentThread().interrupt();
    crew.close();
    assertTrue(Thread.interrupted());
    assertEquals(before, workers());
  }

  @Test
  void closeEndsTheThreads() {
    Set<Thread> before = workers();
    for (int round = 0; round < 20; round++) {
      try (var crew = new Workers(8)) {
        crew.run((task, worker) -> {}, round);
        Set<Thread> during = workers();
        during.removeAll(before);
        assertEquals(7, during.size());
        during.forEach(thread -> assertTrue(thread.isDaemon()));
      }
      assertEquals(before, workers());
    }
  }

  private static Set<Thread> workers() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("lrt4j-worker"))
        .collect(Collectors.toSet());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void useAfterClose(int size) {
    var workers = new Workers(size);
    workers.close();
    workers.close();
    AtomicInteger runs = new AtomicInteger();
    for (int tasks : TASKS) {
      assertThrows(
          IllegalStateException.class,
          () -> workers.run((task, worker) -> runs.incrementAndGet(), tasks));
    }
    assertEquals(0, runs.get());
  }

  @Test
  void aClosedBackendSaysSo() {
    Set<Thread> before = workers();
    var backend = new VectorBackend(2);
    try (var memory = new GuardedMemory()) {
      CpuTensor x = memory.input(1, 4, new float[] {1, 2, 3, 4});
      CpuTensor y = memory.allocate(1, 1);
      CpuLinear p = CpuLinear.of(memory.input(1, 4, new float[] {1, 1, 1, 1}), null);
      backend.project(x, 1, p, y);
      assertEquals(10, y.get(0, 0));
      assertEquals(DType.F32, y.dtype());
      backend.close();
      backend.close();
      Throwable thrown =
          assertThrows(IllegalStateException.class, () -> backend.project(x, 1, p, y));
      assertEquals("the backend is closed", thrown.getMessage());
    }
    assertEquals(before, workers());
  }

  /** Several threads on one backend take turns. */
  @Test
  void severalCallers() throws InterruptedException {
    try (var backend = new VectorBackend(3);
        var memory = new GuardedMemory()) {
      Numbers numbers = new Numbers(1);
      CpuLinear p = CpuLinear.of(numbers.weight(memory, DType.BF16, 65, 63), null);
      AtomicInteger wrong = new AtomicInteger();
      AtomicInteger done = new AtomicInteger();
      Thread[] callers = new Thread[6];
      for (int i = 0; i < callers.length; i++) {
        int rows = i + 1;
        CpuTensor x = memory.input(rows, 63, numbers.normal(rows * 63, 0, 1));
        CpuTensor first = memory.allocate(rows, 65);
        CpuTensor y = memory.allocate(rows, 65);
        backend.project(x, rows, p, first);
        callers[i] =
            new Thread(
                () -> {
                  for (int round = 0; round < 300; round++) {
                    backend.project(x, rows, p, y);
                    if (y.data().mismatch(first.data()) >= 0) {
                      wrong.incrementAndGet();
                    }
                  }
                  done.incrementAndGet();
                });
      }
      for (Thread caller : callers) {
        caller.start();
      }
      for (Thread caller : callers) {
        caller.join();
        assertFalse(caller.isAlive());
      }
      assertEquals(0, wrong.get());
      assertEquals(callers.length, done.get());
      memory.check("project");
    }
  }
}
