package io.lrt4j.bench;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * What an operation read and computed; JMH divides by the time. In units of 1e9, so that the scores
 * are GB/s and GFLOP/s.
 */
@State(Scope.Thread)
@AuxCounters
public class Rates {
  /** Bytes that had to come from memory, / 1e9. */
  public double gigabytes;

  /** Floating-point additions and multiplications, / 1e9. */
  public double gigaflops;

  void add(long bytes, long flops) {
    gigabytes += bytes * 1e-9;
    gigaflops += flops * 1e-9;
  }
}
