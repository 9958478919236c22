package io.lrt4j.cli;

import java.util.logging.LogManager;

/**
 * Java's logging, kept to the end of the process: otherwise it takes its handlers away as soon as
 * the process is told to end, and what {@code serve} still answers then has no line.
 */
public final class LastingLogs extends LogManager {
  /** For Java's logging, which is told of it by the system property. */
  public LastingLogs() {}

  @Override
  public void reset() {}
}
