package io.lrt4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.evaluation.speed.LatentJob;
import io.lrt4j.evaluation.speed.Samples;
import io.lrt4j.evaluation.speed.Subject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One setting of {@code lrt bench}: its model, and what was measured of that. */
final class BenchSubject implements AutoCloseable {
  static final String LOAD = "load_ms";
  static final String PREFILL = "prefill_tokens_per_second";
  static final String DECODE = "decode_tokens_per_second";
  static final String MEMORY = "memory_gigabytes_per_second";
  static final String SHARE = "share_of_memory";

  private static final long WARM_NANOS = 1_000_000_000;

  private final Path model;
  private final EngineOptions options;
  private final BenchSizes sizes;
  private final long seed;
  private final BenchMemory memory;
  private final boolean tellThreads;
  private final List<Double> steps = new ArrayList<>(); // ms
  private Samples samples = new Samples();
  private @Nullable Subject subject; // null until it is open

  /**
   * One that is not loaded yet.
   *
   * @param seed of token ids
   * @param memory that is read beside it
   * @param tellThreads whether its name has the threads in it
   */
  BenchSubject(
      Path model,
      EngineOptions options,
      BenchSizes sizes,
      long seed,
      BenchMemory memory,
      boolean tellThreads) {
    this.model = model;
    this.options = options;
    this.sizes = sizes;
    this.seed = seed;
    this.memory = memory;
    this.tellThreads = tellThreads;
  }

  /** What tells it from the others. */
  String name() {
    String name = subject == null ? options.backend() : backend().name();
    if (options.quantization() != Quantization.NONE) {
      name += " " + quantize();
    }
    name += but("head", options.headQuantization(), options.quantization());
    name += but("network", options.networkQuantization(), options.quantization());
    name += but("embedding", options.embeddingQuantization(), Quantization.NONE);
    return tellThreads ? name + ", " + threads() + (threads() == 1 ? " thread" : " threads") : name;
  }

  /** What is asked for some weights, if it is not what they are without being named. */
  private static String but(String weights, @Nullable Quantization asked, Quantization usual) {
    return asked == null || asked == usual ? "" : ", " + weights + " " + Reports.lower(asked);
  }

  /** Loads an engine once more. */
  void load() {
    try (Engine engine = Engine.load(model, options)) {
      samples.add(LOAD, engine.loadMillis());
    }
  }

  /** Loads what is to be measured. */
  void open() {
    subject = new Subject(model, options, sizes.question(), sizes.answer(), seed);
  }

  /** What does not count: once, and until compilers have had time. */
  void warmUp() {
    long start = System.nanoTime();
    run();
    Samples first = samples;
    samples = new Samples();
    while (System.nanoTime() - start < WARM_NANOS) {
      run();
    }
    samples = first;
    steps.clear();
  }

  /** Measures everything but loading once. */
  void run() {
    Subject loaded = loaded();
    for (int n : sizes.prompts()) {
      samples.add(PREFILL + n, loaded.prefill(n));
    }
    if (sizes.tokens() > 0) {
      decode(loaded);
    }
    if (loaded.job() != null) {
      loaded.latentJob().addTo(samples);
    }
  }

  /** Decodes, and reads memory right before and behind it. */
  private void decode(Subject loaded) {
    double before = waitsForMemory() ? memorySpeed() : 0;
    Subject.Decoding decoding = loaded.decode(sizes.after(), sizes.tokens());
    samples.add(DECODE, decoding.tokensPerSecond());
    steps.addAll(decoding.stepMillis());
    if (waitsForMemory()) {
      double read = decoding.tokensPerSecond() * stepBytes() * 1e-9; // memory can do that, too
      double limit = Math.max(read, Math.max(before, memorySpeed()));
      samples.add(MEMORY, limit);
      samples.add(SHARE, read / limit);
    }
  }

  private double memorySpeed() {
    return memory.gigabytesPerSecond(backend(), threads(), stepBytes());
  }

  /** Whether a step reads more than caches hold. */
  boolean waitsForMemory() {
    return memory.isWaitedFor(stepBytes());
  }

  Backend backend() {
    return loaded().base().backend();
  }

  /** The backend, and what it runs on. */
  String describe() {
    return backend().name() + ": " + backend().describe();
  }

  int threads() {
    return options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
  }

  private String quantize() {
    return Reports.lower(options.quantization());
  }

  /** What is asked for some weights; null is as for all. */
  private String likewise(@Nullable Quantization asked) {
    return asked == null ? quantize() : Reports.lower(asked);
  }

  String cacheType() {
    return Reports.lower(loaded().cacheType());
  }

  /** Vectors that the network gives; 0 without a latent job. */
  int latents() {
    LatentJob job = loaded().job();
    return job == null ? 0 : job.latents();
  }

  /** Bytes of weights that a step reads. */
  long weightBytes() {
    return loaded().base().bytesPerToken();
  }

  /** Bytes of keys and values that a step reads, on average. */
  long cacheBytes() {
    return loaded().cacheBytesPerToken(sizes.after(), sizes.tokens());
  }

  private long stepBytes() {
    return loaded().bytesPerStep(sizes.after(), sizes.tokens());
  }

  /** Bytes that decoding reads a second, / 1e9. */
  double gigabytesPerSecond() {
    return samples.median(DECODE) * stepBytes() * 1e-9;
  }

  /** What was measured under a name, without what was to warm up. */
  List<Double> counted(String name) {
    return samples.counted(name);
  }

  /** Of all decode steps, ms. */
  double stepMillis(int percent) {
    return Samples.percentile(steps, percent);
  }

  private Subject loaded() {
    return Objects.requireNonNull(subject);
  }

  /** All of it. */
  ObjectNode json() {
    ObjectNode json = Reports.object();
    json.put("backend", backend().name());
    json.put("backend_description", backend().describe());
    json.put("threads", threads());
    json.put("quantize", quantize());
    json.put("quantize_head", likewise(options.headQuantization()));
    json.put("quantize_network", likewise(options.networkQuantization()));
    json.put("quantize_embedding", Reports.lower(options.embeddingQuantization()));
    json.put("cache_type", cacheType());
    put(json, LOAD, LOAD);
    if (!sizes.prompts().isEmpty()) {
      ObjectNode prefill = json.putObject(PREFILL);
      sizes.prompts().forEach(n -> put(prefill, String.valueOf(n), PREFILL + n));
    }
    if (sizes.tokens() > 0) {
      put(json, DECODE, DECODE);
      json.putObject("decode_step_ms")
          .put("steps", steps.size())
          .put("p50", stepMillis(50))
          .put("p90", stepMillis(90))
          .put("p99", stepMillis(99));
      json.put("weight_bytes_per_token", weightBytes());
      json.put("cache_bytes_per_token", cacheBytes());
      json.put("decode_gigabytes_per_second", gigabytesPerSecond());
      if (waitsForMemory()) {
        put(json, MEMORY, MEMORY);
        put(json, SHARE, SHARE);
      }
    }
    if (latents() > 0) {
      ObjectNode job = json.putObject("latent_job");
      job.put("question_tokens", sizes.question());
      job.put("latents", latents());
      job.put("answer_tokens", sizes.answer());
      LatentJob.Times.NAMES.forEach(part -> put(job, part, part));
    }
    return json;
  }

  private void put(ObjectNode json, String field, String name) {
    List<Double> values = counted(name);
    var node = json.putObject(field);
    node.put("median", Samples.median(values));
    node.put("smallest", values.stream().min(Double::compare).orElseThrow());
    node.put("largest", values.stream().max(Double::compare).orElseThrow());
    var all = node.putArray("repetitions");
    values.forEach(all::add);
  }

  @Override
  public void close() {
    if (subject != null) {
      subject.close();
    }
  }
}
