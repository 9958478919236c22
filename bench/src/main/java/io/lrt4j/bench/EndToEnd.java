package io.lrt4j.bench;

import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkShape;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleSupplier;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * What a user of one checkpoint gets: load time, prefill and decode speed, a latent reasoning job,
 * cold start and memory. Every number is the median of several repetitions after one to warm up.
 *
 * @param model checkpoint directory
 * @param network of the model's; null makes a random one with 256 latents for the occasion
 * @param threads of the backend
 * @param repetitions of each measurement
 * @param launcher the command line's launcher, or null to leave it out
 */
record EndToEnd(
    Path model, @Nullable Path network, int threads, int repetitions, @Nullable Path launcher) {
  private static final String BACKEND = "auto";
  private static final int[] PREFILLS = {32, 128, 256, 512};
  private static final int CONTEXT = 256;
  private static final int STEPS = 64;
  private static final int LATENTS = 256;
  private static final int WIDTH = 16; // as the engine's sessions

  /** Measures all; {@code limits} is what speeds are compared with. */
  ObjectNode measure(Jmh.Limits limits) throws IOException {
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    result.put("model", String.valueOf(model.getFileName()));
    result.put("threads", threads);
    result.put("load_ms", median(this::load));
    try (BaseModel base = new BaseModel(model, BACKEND, threads)) {
      result.put("backend", base.backend().name() + ": " + base.backend().describe());
      prefillAndDecode(base, limits, result);
    }
    try (TemporaryFolder folder = new TemporaryFolder()) {
      Path directory = network == null ? newNetwork(folder.path().resolve("network")) : network;
      latentJob(directory, result.putObject("latent_job"));
    }
    coldStart(result);
    return result;
  }

  private double load() {
    EngineOptions options = EngineOptions.defaults().withBackend(BACKEND).withThreads(threads);
    try (Engine engine = Engine.load(model, options)) {
      return engine.loadMillis();
    }
  }

  private void prefillAndDecode(BaseModel base, Jmh.Limits limits, ObjectNode result) {
    try (Generator generator = new Generator(base.transformer(), WIDTH);
        KvCache cache = base.transformer().newCache()) {
      ObjectNode prefill = result.putObject("prefill_tokens_per_second");
      for (int n : PREFILLS) {
        int[] ids = Numbers.ids(n, base.config().vocabSize());
        prefill.put(String.valueOf(n), median(() -> n / prefillSeconds(generator, cache, ids)));
      }
      int[] ids = Numbers.ids(CONTEXT, base.config().vocabSize());
      double speed = median(() -> decodeSpeed(base, generator, cache, ids));
      result.put("decode_tokens_per_second", speed);
      double gigabytes = speed * base.bytesPerToken() * 1e-9;
      result.put("weight_bytes_per_token", base.bytesPerToken());
      result.put("weight_gigabytes_per_second", gigabytes);
      if (limits.gigabytes() > 0) {
        result.put("read_bandwidth_gigabytes_per_second", limits.gigabytes());
        result.put("share_of_read_bandwidth", gigabytes / limits.gigabytes());
      }
    }
  }

  private static double prefillSeconds(Generator generator, KvCache cache, int[] ids) {
    cache.truncate(0);
    long start = System.nanoTime();
    generator.prefill(cache, ids, null);
    return (System.nanoTime() - start) / 1e9;
  }

  /** The first token of an answer needs no step of its own, so it is not counted. */
  private static double decodeSpeed(BaseModel base, Generator generator, KvCache cache, int[] ids) {
    cache.truncate(0);
    generator.prefill(cache, ids, null);
    Tensor logits = generator.logits();
    var answer = LatentJob.answer(base, cache, STEPS + 1);
    long start = System.nanoTime();
    generator.run(List.of(answer), logits);
    return STEPS / ((System.nanoTime() - start) / 1e9);
  }

  private Path newNetwork(Path directory) {
    NetworkShape shape;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      shape = NetworkShape.suiting(checkpoint.config()).withLatents(LATENTS);
    }
    Initializer.network(model, directory, shape, 1);
    return directory;
  }

  private void latentJob(Path directory, ObjectNode result) throws IOException {
    List<LatentJob.Times> all = new ArrayList<>();
    try (BaseModel base = new BaseModel(model, BACKEND, threads);
        LatentJob job = new LatentJob(base, directory)) {
      result.put("question_tokens", LatentJob.QUESTION);
      result.put("latents", job.latents());
      result.put("answer_tokens", LatentJob.ANSWER);
      var _ = job.run();
      for (int i = 0; i < repetitions; i++) {
        all.add(job.run());
      }
    }
    result.put("encode_ms", median(all, LatentJob.Times::encode));
    result.put("reason_ms", median(all, LatentJob.Times::reason));
    result.put("prefill_ms", median(all, LatentJob.Times::prefill));
    result.put("first_token_ms", median(all, LatentJob.Times::firstToken));
    result.put("decode_ms", median(all, LatentJob.Times::decode));
    result.put("total_ms", median(all, LatentJob.Times::total));
    var fresh = FreshProcess.latentJob(model, BACKEND, threads, directory);
    result.put("cold_start_to_end_ms", fresh.millis());
    result.put("peak_memory_bytes", fresh.peakMemory());
    result.put("anonymous_memory_bytes", fresh.anonymousMemory());
  }

  private void coldStart(ObjectNode result) throws IOException {
    double[] millis = new double[repetitions];
    double[] launched = new double[repetitions];
    long peak = 0;
    long anonymous = 0;
    for (int i = 0; i < repetitions; i++) {
      var outcome = FreshProcess.firstToken(model, BACKEND, threads);
      millis[i] = outcome.millis();
      peak = Math.max(peak, outcome.peakMemory());
      anonymous = Math.max(anonymous, outcome.anonymousMemory());
    }
    ObjectNode cold = result.putObject("cold_start");
    cold.put("prompt_tokens", FreshProcess.PROMPT);
    cold.put("first_token_ms", Numbers.median(millis));
    if (launcher != null) {
      for (int i = 0; i < repetitions; i++) {
        launched[i] = FreshProcess.launcher(launcher, model, threads);
      }
      cold.put("launcher_first_token_ms", Numbers.median(launched));
    }
    cold.put("peak_memory_bytes", peak);
    cold.put("anonymous_memory_bytes", anonymous);
  }

  private double median(DoubleSupplier measurement) {
    var _ = measurement.getAsDouble();
    double[] values = new double[repetitions];
    for (int i = 0; i < repetitions; i++) {
      values[i] = measurement.getAsDouble();
    }
    return Numbers.median(values);
  }

  private static double median(List<LatentJob.Times> all, ToDoubleFunction<LatentJob.Times> field) {
    return Numbers.median(all.stream().mapToDouble(field).toArray());
  }

  /** The numbers one below the other. */
  static Table table(ObjectNode result) {
    Table table = new Table("end to end", "");
    addAll("", result, table);
    return table;
  }

  private static void addAll(String prefix, ObjectNode node, Table table) {
    for (var entry : node.properties()) {
      String name = prefix + entry.getKey();
      switch (entry.getValue()) {
        case ObjectNode inner -> addAll(name + ".", inner, table);
        case DoubleNode number ->
            table.add(
                name,
                String.format(
                    Locale.ROOT,
                    number.doubleValue() < 100 ? "%.3g" : "%.0f",
                    number.doubleValue()));
        default -> table.add(name, entry.getValue().asText());
      }
    }
  }
}
