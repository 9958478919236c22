package io.lrt4j.server;

import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Token;
import io.lrt4j.TokenListener;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;

/**
 * Where the engine is called, and nowhere else. Takes so many answers at a time, lets so many wait,
 * refuses the rest. What an answer says goes into a queue of its {@link Job}, so that a slow reader
 * holds back nobody, least of all the engine. Threads here are the platform's: an answer may be
 * computed on its caller's thread, which must not be one that carries all virtual ones.
 */
final class Desk implements AutoCloseable {
  /** Calls of the engine, one for each answer. */
  interface Call {
    /** Gives one of the answers. */
    Answer answer(int index, Cancellation cancellation, TokenListener listener);
  }

  /** What a job tells. */
  sealed interface Event {
    /** The next token of one of the job's answers. */
    record Wrote(int index, Token token) implements Event {}

    /** One of the job's answers is complete. */
    record Done(int index, Answer answer) implements Event {}

    /** There will be no answer. */
    record Failed(Throwable thrown) implements Event {}

    /** The client went away. */
    record Gone() implements Event {}
  }

  private final Duration timeLimit;
  private final int capacity;
  private final Semaphore places; // answers under way and waiting
  private final ThreadPoolExecutor threads;
  private final LongConsumer waited;
  private final Set<Job> jobs = ConcurrentHashMap.newKeySet();
  private volatile boolean closing;

  /**
   * Takes {@code answers} at a time, and lets {@code queue} more wait.
   *
   * @param waited told how many nanoseconds each has waited
   */
  Desk(int answers, int queue, Duration timeLimit, LongConsumer waited) {
    this.waited = waited;
    this.timeLimit = timeLimit;
    capacity = answers + queue;
    places = new Semaphore(capacity);
    threads =
        new ThreadPoolExecutor(
            answers,
            answers,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(), // bounded by places
            Thread.ofPlatform().daemon().name("lrt-answer-", 0).factory());
    threads.allowCoreThreadTimeOut(true);
  }

  /**
   * Calls {@code count} times.
   *
   * @param field of the request that says how many answers there are
   * @throws ApiException if there is no place, or the server is about to end
   */
  Job submit(Call call, int count, String field) {
    if (closing) {
      throw ApiException.unavailable("the server is shutting down");
    }
    if (count > capacity) {
      throw ApiException.invalid(
          field,
          field
              + " must ask for at most "
              + capacity
              + " answers, what is answered and waits at a time, found "
              + count);
    }
    if (!places.tryAcquire(count)) {
      throw ApiException.full(
          "the server is busy: " + capacity + " answers are under way or waiting; try again later");
    }
    Job job = new Job(call, count);
    jobs.add(job);
    job.tasks.forEach(threads::execute);
    return job;
  }

  Duration timeLimit() {
    return timeLimit;
  }

  /** Answers that are being written. */
  int running() {
    return threads.getActiveCount();
  }

  /** Answers that wait for their turn. */
  int waiting() {
    return threads.getQueue().size();
  }

  /** Answers under way or waiting. */
  int busy() {
    return capacity - places.availablePermits();
  }

  /**
   * Takes nothing more; gives what is under way so much time, then ends it. Closing again does
   * nothing.
   */
  void close(Duration grace) {
    closing = true;
    try {
      if (!places.tryAcquire(capacity, grace.toMillis(), TimeUnit.MILLISECONDS)) {
        jobs.forEach(job -> job.end(ApiException.unavailable("the server is shutting down")));
        places.acquire(capacity);
      }
      places.release(capacity);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      jobs.forEach(Job::cancel);
    }
    threads.shutdown();
  }

  @Override
  public void close() {
    close(Duration.ZERO);
  }

  /** The answers to one request. */
  final class Job {
    private final Cancellation cancellation = new Cancellation();
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final List<Task> tasks = new ArrayList<>();
    private final AtomicInteger running;
    private final long start = System.nanoTime();

    private Job(Call call, int count) {
      running = new AtomicInteger(count);
      for (int i = 0; i < count; i++) {
        tasks.add(new Task(this, i, call));
      }
    }

    /**
     * What comes next.
     *
     * @throws ApiException if the time limit is reached; the job is cancelled then
     */
    Event next() throws InterruptedException {
      long left = timeLimit.toNanos() - (System.nanoTime() - start);
      Event event = left > 0 ? events.poll(left, TimeUnit.NANOSECONDS) : null;
      if (event == null) {
        cancel();
        throw ApiException.timeout(
            "the answer took longer than " + timeLimit.toMillis() / 1000.0 + " seconds");
      }
      return event;
    }

    /** Ends it within a step; harmless when it has ended. */
    void cancel() {
      cancellation.cancel();
      for (Task task : tasks) {
        if (threads.remove(task)) {
          task.end();
        }
      }
    }

    /** Ends it, and says why. */
    void end(ApiException reason) {
      events.add(new Event.Failed(reason));
      cancel();
    }

    /** Its client went away. */
    void gone() {
      events.add(new Event.Gone());
      cancel();
    }
  }

  private final class Task implements Runnable {
    private final Job job;
    private final int index;
    private final Call call;

    Task(Job job, int index, Call call) {
      this.job = job;
      this.index = index;
      this.call = call;
    }

    @Override
    public void run() {
      try {
        waited.accept(System.nanoTime() - job.start);
        Answer answer =
            call.answer(
                index, job.cancellation, token -> job.events.add(new Event.Wrote(index, token)));
        job.events.add(new Event.Done(index, answer));
      } catch (RuntimeException | Error e) {
        job.events.add(new Event.Failed(e));
        job.cancel(); // the other answers of the request are of no use
      } finally {
        end();
      }
    }

    void end() {
      if (job.running.decrementAndGet() == 0) {
        jobs.remove(job);
      }
      places.release();
    }
  }
}
