package io.lrt4j.bench;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * The limit of prefill: fused multiply-adds (two operations each) in f32 from registers alone, on
 * all threads. Twelve independent chains hide the latency of one. Each adds to its sum, as products
 * do: a chain that is multiplied costs the compiler a copy of what is added, every time.
 */
@State(Scope.Thread)
public class PeakFlops {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int CHAINS = 12;
  private static final int STEPS = 100_000;

  // Not constants: the compiler must not know that the sums stay small.
  private float factor = 0.999f;
  private float term = 0.001f;

  /** Many multiply-adds. */
  @Benchmark
  public float multiplyAdd(Rates rates) {
    rates.add(0, 2L * CHAINS * STEPS * F.length());
    FloatVector a = FloatVector.broadcast(F, factor);
    FloatVector b = FloatVector.broadcast(F, term);
    FloatVector s0 = b.add(0f);
    FloatVector s1 = b.add(1f);
    FloatVector s2 = b.add(2f);
    FloatVector s3 = b.add(3f);
    FloatVector s4 = b.add(4f);
    FloatVector s5 = b.add(5f);
    FloatVector s6 = b.add(6f);
    FloatVector s7 = b.add(7f);
    FloatVector s8 = b.add(8f);
    FloatVector s9 = b.add(9f);
    FloatVector s10 = b.add(10f);
    FloatVector s11 = b.add(11f);
    for (int i = 0; i < STEPS; i++) {
      s0 = a.fma(b, s0);
      s1 = a.fma(b, s1);
      s2 = a.fma(b, s2);
      s3 = a.fma(b, s3);
      s4 = a.fma(b, s4);
      s5 = a.fma(b, s5);
      s6 = a.fma(b, s6);
      s7 = a.fma(b, s7);
      s8 = a.fma(b, s8);
      s9 = a.fma(b, s9);
      s10 = a.fma(b, s10);
      s11 = a.fma(b, s11);
    }
    FloatVector low = s0.add(s1).add(s2.add(s3)).add(s4.add(s5));
    FloatVector high = s6.add(s7).add(s8.add(s9)).add(s10.add(s11));
    return low.add(high).reduceLanes(VectorOperators.ADD);
  }
}
