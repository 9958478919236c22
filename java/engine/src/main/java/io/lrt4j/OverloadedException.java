package io.lrt4j;

/**
 * An engine has as many answers under way, and as many callers waiting for their turn, as {@link
 * EngineOptions#concurrency} and {@link EngineOptions#queue} allow. Nothing was begun: ask again
 * later.
 */
public class OverloadedException extends LrtException {
  private static final long serialVersionUID = 1L;

  public OverloadedException(String message) {
    super(message);
  }
}
