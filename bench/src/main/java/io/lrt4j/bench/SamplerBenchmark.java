package io.lrt4j.bench;

import io.lrt4j.GenerationOptions;
import io.lrt4j.decode.Sampler;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Choosing one token of Qwen3's vocabulary. */
@State(Scope.Benchmark)
public class SamplerBenchmark {
  /** Which filters: none, one of them, Qwen3's own defaults. */
  @Param({"greedy", "temperature", "top-k", "top-p", "min-p", "qwen3"})
  public String options = "";

  /** Number of logits. */
  @Param("151936")
  public int vocabulary;

  private float[] logits = {};
  private Sampler sampler = new Sampler(GenerationOptions.defaults(), 1);
  private long position;

  /** Makes logits. */
  @Setup(Level.Trial)
  public void open() {
    logits = Numbers.normal(vocabulary, 3);
    sampler = new Sampler(named(options), vocabulary);
  }

  private static GenerationOptions named(String name) {
    GenerationOptions greedy = GenerationOptions.defaults();
    GenerationOptions warm = greedy.withTemperature(0.6f).withSeed(1);
    return switch (name) {
      case "greedy" -> greedy;
      case "temperature" -> warm;
      case "top-k" -> warm.withTopK(20);
      case "top-p" -> warm.withTopP(0.95f);
      case "min-p" -> warm.withMinP(0.05f);
      case "qwen3" -> warm.withTopK(20).withTopP(0.95f);
      default -> throw new IllegalArgumentException("no options named " + name);
    };
  }

  /** One token. */
  @Benchmark
  public int sample() {
    return sampler.sample(logits, logits.length, 0, position++);
  }
}
