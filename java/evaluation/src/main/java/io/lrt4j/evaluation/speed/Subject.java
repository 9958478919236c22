package io.lrt4j.evaluation.speed;

import io.lrt4j.EngineOptions;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import io.lrt4j.model.ModelConfig;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** One model in one setting, loaded and to be measured; belongs to one thread. */
public final class Subject implements AutoCloseable {
  private final Deque<Runnable> closers = new ArrayDeque<>(); // the last opened first
  private final long seed;
  private final BaseModel base;
  private final @Nullable LatentJob job;
  private final Generator generator;
  private final KvCache cache;

  /**
   * Loads it.
   *
   * @param options as an engine's; without {@code network} there is no latent job
   * @param question tokens of the latent job's question; 0 for no job
   * @param answer tokens of its answer
   * @param seed of all token ids
   * @throws io.lrt4j.BackendException if the backend is not here, or cannot do what is asked of it
   */
  public Subject(Path model, EngineOptions options, int question, int answer, long seed) {
    this.seed = seed;
    try {
      base = new BaseModel(model, options);
      closers.push(base::close);
      Path network = options.network();
      if (network == null || question == 0) {
        job = null;
      } else {
        ModelFiles files = ModelFiles.of(network, options.outsideLinks());
        job = new LatentJob(base, files, question, answer, seed);
        closers.push(job::close);
      }
      generator = new Generator(base.transformer(), LatentJob.WIDTH);
      closers.push(generator::close);
      cache = base.transformer().newCache();
      closers.push(cache::close);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  public BaseModel base() {
    return base;
  }

  /** Null if there is none. */
  public @Nullable LatentJob job() {
    return job;
  }

  /** What keys and values are stored in. */
  public DType cacheType() {
    return base.transformer().store().type();
  }

  /** Tokens a second of {@code n} random tokens that are read into an empty cache. */
  public double prefill(int n) {
    int[] ids = ids(n);
    cache.truncate(0);
    long start = System.nanoTime();
    generator.prefill(cache, ids, null);
    base.backend().await();
    return n / ((System.nanoTime() - start) / 1e9);
  }

  /**
   * Decoding of one sequence.
   *
   * @param tokensPerSecond of all steps together
   * @param stepMillis time of each
   */
  public record Decoding(double tokensPerSecond, List<Double> stepMillis) {}

  /** {@code steps} greedy steps of one sequence, after {@code after} random tokens. */
  public Decoding decode(int after, int steps) {
    cache.truncate(0);
    generator.prefill(cache, ids(after), null);
    Tensor logits = generator.logits();
    base.backend().await();
    // The first token of an answer needs no step of its own, so it is not counted.
    Clock clock = new Clock(steps + 1);
    var answer = LatentJob.answer(base, cache, steps + 1, _ -> clock.stop());
    long start = System.nanoTime();
    generator.run(List.of(answer), logits);
    double seconds = (System.nanoTime() - start) / 1e9;
    return new Decoding(steps / seconds, clock.millisBetween());
  }

  /** When tokens came. */
  private static final class Clock {
    private final long[] nanos;
    private int count;

    Clock(int tokens) {
      nanos = new long[tokens];
    }

    void stop() {
      nanos[count++] = System.nanoTime();
    }

    List<Double> millisBetween() {
      return IntStream.range(1, count).mapToObj(i -> (nanos[i] - nanos[i - 1]) / 1e6).toList();
    }
  }

  /** A latent job, where there is one. */
  public LatentJob.Times latentJob() {
    return Objects.requireNonNull(job).run();
  }

  /** Bytes of weights, keys and values that a step of {@link #decode} reads, on average. */
  public long bytesPerStep(int after, int steps) {
    return base.bytesPerToken() + cacheBytesPerToken(after, steps);
  }

  /** Bytes of keys and values that a step of {@link #decode} reads, on average. */
  public long cacheBytesPerToken(int after, int steps) {
    ModelConfig config = base.config();
    long positions = 0;
    for (int l = 0; l < config.layers(); l++) {
      positions += Math.min(after + steps / 2, config.window(l));
    }
    return cacheType().bytes(2 * positions * config.kvDim());
  }

  private int[] ids(int n) {
    return TokenIds.random(n, base.config().vocabSize(), seed);
  }

  @Override
  public void close() {
    List<Runnable> all = List.copyOf(closers);
    closers.clear();
    Closing.each(all, Runnable::run);
  }
}
