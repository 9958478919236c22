package io.lrt4j.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import io.lrt4j.model.ModelConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** One model on one backend, warm, and what was measured of it. */
final class Subject implements AutoCloseable {
  private static final int[] PREFILLS = {32, 128, 256, 512};
  private static final int CONTEXT = 256;
  private static final int STEPS = 64;
  private static final int WIDTH = 16; // as the engine's sessions
  private static final int READ_MILLIS = 200;

  private final Samples samples = new Samples();
  private final BaseModel base;
  private final LatentJob job;
  private final Generator generator;
  private final KvCache cache;

  Subject(Path model, Path network, Setting setting, int threads) {
    base = new BaseModel(model, setting, threads);
    job = new LatentJob(base, network);
    generator = new Generator(base.transformer(), WIDTH);
    cache = base.transformer().newCache();
  }

  Samples samples() {
    return samples;
  }

  /**
   * Measures everything once, the speed of memory (a GPU's own, where one decodes) right before and
   * behind that of decoding.
   */
  void run(ReadBandwidth read) {
    int vocabulary = base.config().vocabSize();
    for (int n : PREFILLS) {
      samples.add("prefill" + n, n / prefillSeconds(Numbers.ids(n, vocabulary)));
    }
    double before = memorySpeed(read);
    double longBefore = sustained(read);
    double speed = decodeSpeed(Numbers.ids(CONTEXT, vocabulary));
    double longRead = Math.max(longBefore, sustained(read));
    double limit = Math.max(before, memorySpeed(read));
    samples.add("decode", speed);
    samples.add("read", limit);
    samples.add("long_read", longRead);
    double gigabytes = speed * bytesPerStep() * 1e-9;
    samples.add("share", gigabytes / Math.max(gigabytes, limit));
    samples.add("share_of_long", gigabytes / Math.max(gigabytes, longRead));
    LatentJob.Times times = job.run();
    samples.add("encode_ms", times.encode());
    samples.add("reason_ms", times.reason());
    samples.add("prefill_ms", times.prefill());
    samples.add("first_token_ms", times.firstToken());
    samples.add("decode_ms", times.decode());
    samples.add("total_ms", times.total());
  }

  private double memorySpeed(ReadBandwidth read) {
    return base.backend().name().equals("cuda")
        ? DeviceBandwidth.gigabytes(base.backend())
        : read.measure(READ_MILLIS).gigabytes();
  }

  /** The same for as long as a step takes. */
  private double sustained(ReadBandwidth read) {
    return base.backend().name().equals("cuda")
        ? DeviceBandwidth.gigabytes(base.backend())
        : read.sustained(bytesPerStep());
  }

  private double prefillSeconds(int[] ids) {
    cache.truncate(0);
    long start = System.nanoTime();
    generator.prefill(cache, ids, null);
    base.backend().await();
    return (System.nanoTime() - start) / 1e9;
  }

  /** The first token of an answer needs no step of its own, so it is not counted. */
  private double decodeSpeed(int[] ids) {
    cache.truncate(0);
    generator.prefill(cache, ids, null);
    Tensor logits = generator.logits();
    base.backend().await();
    var answer = LatentJob.answer(base, cache, STEPS + 1);
    long start = System.nanoTime();
    generator.run(List.of(answer), logits);
    return STEPS / ((System.nanoTime() - start) / 1e9);
  }

  private long bytesPerStep() {
    return base.bytesPerToken() + cacheBytesPerToken();
  }

  /** Bytes of keys and values that a decode step reads, on average. */
  private long cacheBytesPerToken() {
    ModelConfig config = base.config();
    long elements = 2L * config.layers() * config.kvDim();
    return (CONTEXT + STEPS / 2) * cache.block(0).dtype().bytes(elements);
  }

  /** Medians. */
  ObjectNode result(Setting setting, Path model, int threads) {
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    result.put("model", String.valueOf(model.toAbsolutePath().getFileName()));
    result.put("backend", base.backend().name() + ": " + base.backend().describe());
    result.put("quantize", setting.quantize());
    result.put("cache_type", cache.block(0).dtype().name().toLowerCase(Locale.ROOT));
    result.put("threads", threads);
    result.put("load_ms", samples.median("load_ms"));
    ObjectNode prefill = result.putObject("prefill_tokens_per_second");
    for (int n : PREFILLS) {
      prefill.put(String.valueOf(n), samples.median("prefill" + n));
    }
    double speed = samples.median("decode");
    double read = bytesPerStep();
    // What decoding itself has read, memory can give.
    double limit = Math.max(samples.largest("read"), samples.largest("decode") * read * 1e-9);
    double gigabytes = speed * read * 1e-9;
    result.put("decode_tokens_per_second", speed);
    result.put("weight_bytes_per_token", base.bytesPerToken());
    result.put("cache_bytes_per_token", cacheBytesPerToken());
    result.put("decode_gigabytes_per_second", gigabytes);
    result.put("read_bandwidth_gigabytes_per_second", limit);
    result.put("share_of_read_bandwidth", gigabytes / limit);
    result.put("share_of_bandwidth_beside", samples.median("share"));
    result.put("sustained_read_gigabytes_per_second", samples.median("long_read"));
    result.put("share_of_sustained_read", samples.median("share_of_long"));
    ObjectNode latent = result.putObject("latent_job");
    latent.put("question_tokens", LatentJob.QUESTION);
    latent.put("latents", job.latents());
    latent.put("answer_tokens", LatentJob.ANSWER);
    for (String name :
        List.of(
            "encode_ms", "reason_ms", "prefill_ms", "first_token_ms", "decode_ms", "total_ms")) {
      latent.put(name, samples.median(name));
    }
    return result;
  }

  @Override
  public void close() {
    cache.close();
    generator.close();
    job.close();
    base.close();
  }
}
