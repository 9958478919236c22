package io.lrt4j.compute;

/**
 * While open, what is done if the process is told to end: by Ctrl-C, SIGTERM or {@link
 * System#exit}. So a file that is only half written does not stay behind.
 */
public final class AtExit implements AutoCloseable {
  private final Thread hook;

  /** Runs {@code action}, unless this is closed before. */
  public AtExit(Runnable action) {
    hook = new Thread(action, "lrt4j-exit");
    try {
      Runtime.getRuntime().addShutdownHook(hook);
    } catch (IllegalStateException e) {
      // it is ending already
    }
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // it is ending: the action is under way, or was
    }
  }
}
