package io.lrt4j.cli;

import io.lrt4j.Cancellation;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * While open, Ctrl-C ends the answer after its current token, and the process waits until {@link
 * #close()} before it ends: so what there is of the answer still gets printed. The JVM then exits
 * with 130, as for every SIGINT.
 */
final class Interrupt implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 10;

  private final Cancellation cancellation = new Cancellation();
  private final CountDownLatch printed = new CountDownLatch(1);
  private final Thread hook = new Thread(this::stop, "lrt-interrupt");

  Interrupt() {
    try {
      Runtime.getRuntime().addShutdownHook(hook);
    } catch (IllegalStateException e) {
      cancellation.cancel(); // the process is ending already
    }
  }

  /** Give this to the answer. */
  Cancellation cancellation() {
    return cancellation;
  }

  private void stop() {
    cancellation.cancel();
    try {
      boolean _ = printed.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The answer is printed, and flushed. */
  @Override
  public void close() {
    printed.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // it is running, and has just been released
    }
  }
}
