package io.lrt4j.reasoning;

import io.lrt4j.Answer;

/** Times of one question, in milliseconds; what is not measured stays 0. */
final class Stopwatch {
  private static final double NANOS = 1e6;

  final long start; // System.nanoTime
  private long last;
  double encode;
  double reason;
  double prefill;
  double decode;

  /** Of what was begun then, {@link System#nanoTime}. */
  Stopwatch(long start) {
    this.start = start;
    last = start;
  }

  /** Time since the last lap. */
  double lap() {
    long now = System.nanoTime();
    double millis = (now - last) / NANOS;
    last = now;
    return millis;
  }

  /**
   * All times so far, for an answer whose first token came at {@code firstAnswerNanos} (0: it has
   * none).
   */
  Answer.Timings timings(long firstAnswerNanos) {
    double firstToken = firstAnswerNanos == 0 ? 0 : (firstAnswerNanos - start) / NANOS;
    return new Answer.Timings(encode, reason, prefill, firstToken, decode, (last - start) / NANOS);
  }
}
