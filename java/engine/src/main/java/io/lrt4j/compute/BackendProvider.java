package io.lrt4j.compute;

import java.util.Optional;

/**
 * One kind of backend, found through {@link java.util.ServiceLoader}: says whether it can run here
 * without being opened.
 */
public interface BackendProvider {
  /** As in {@code --backend}. */
  String name();

  /** How fast it is among all kinds: of those that can run here, the one with the most is taken. */
  int rank();

  /** Whether it has the operations of training ({@link Backend#training}). */
  boolean trains();

  /** What is missing here and how to get it; empty if it can be opened. */
  Optional<String> missing();

  /** Why it would crawl here, so that it runs only where it is asked for; only if it can run. */
  default Optional<String> slow() {
    return Optional.empty();
  }

  /** What it would run on. */
  String detail();

  /** Opens one with {@code threads} compute threads, the caller's included. */
  Backend open(int threads);
}
