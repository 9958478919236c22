package io.lrt4j.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.EngineOptions;
import io.lrt4j.compute.Backend;
import io.lrt4j.evaluation.speed.DeviceBandwidth;
import io.lrt4j.evaluation.speed.LatentJob;
import io.lrt4j.evaluation.speed.ReadBandwidth;
import io.lrt4j.evaluation.speed.Samples;
import io.lrt4j.evaluation.speed.Subject;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;

/** One model on one backend, warm, and what was measured of it. */
final class Measurement implements AutoCloseable {
  private static final int[] PREFILLS = {32, 128, 256, 512};
  private static final int CONTEXT = 256;
  private static final int STEPS = 64;
  static final int QUESTION = 128;
  static final int ANSWER = 64;
  static final int SEED = 1;
  private static final int READ_MILLIS = 200;

  private final Samples samples = new Samples();
  private final Subject subject;

  Measurement(Path model, Path network, Setting setting, int threads) {
    EngineOptions options = setting.engine(threads).withNetwork(network);
    subject = new Subject(model, options, QUESTION, ANSWER, SEED);
  }

  Samples samples() {
    return samples;
  }

  /**
   * Measures everything once, the speed of memory (a GPU's own, where one decodes) right before and
   * behind that of decoding.
   */
  void run(ReadBandwidth read) {
    for (int n : PREFILLS) {
      samples.add("prefill" + n, subject.prefill(n));
    }
    double before = memorySpeed(read);
    double longBefore = sustained(read);
    double speed = subject.decode(CONTEXT, STEPS).tokensPerSecond();
    double longRead = Math.max(longBefore, sustained(read));
    double limit = Math.max(before, memorySpeed(read));
    samples.add("decode", speed);
    samples.add("read", limit);
    samples.add("long_read", longRead);
    double gigabytes = speed * bytesPerStep() * 1e-9;
    samples.add("share", gigabytes / Math.max(gigabytes, limit));
    samples.add("share_of_long", gigabytes / Math.max(gigabytes, longRead));
    subject.latentJob().addTo(samples);
  }

  private double memorySpeed(ReadBandwidth read) {
    return DeviceBandwidth.gigabytesOr(
        subject.base().backend(), () -> read.measure(READ_MILLIS).gigabytes());
  }

  /** The same for as long as a step takes. */
  private double sustained(ReadBandwidth read) {
    return DeviceBandwidth.gigabytesOr(
        subject.base().backend(), () -> read.sustained(bytesPerStep()));
  }

  private long bytesPerStep() {
    return subject.bytesPerStep(CONTEXT, STEPS);
  }

  /** Medians. */
  ObjectNode result(Setting setting, Path model, int threads) {
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    result.put("model", String.valueOf(model.toAbsolutePath().getFileName()));
    Backend backend = subject.base().backend();
    result.put("backend", backend.name() + ": " + backend.describe());
    result.put("quantize", setting.quantize());
    result.put("cache_type", subject.cacheType().name().toLowerCase(Locale.ROOT));
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
    result.put("weight_bytes_per_token", subject.base().bytesPerToken());
    result.put("cache_bytes_per_token", subject.cacheBytesPerToken(CONTEXT, STEPS));
    result.put("decode_gigabytes_per_second", gigabytes);
    result.put("read_bandwidth_gigabytes_per_second", limit);
    result.put("share_of_read_bandwidth", gigabytes / limit);
    result.put("share_of_bandwidth_beside", samples.median("share"));
    result.put("sustained_read_gigabytes_per_second", samples.median("long_read"));
    result.put("share_of_sustained_read", samples.median("share_of_long"));
    ObjectNode latent = result.putObject("latent_job");
    latent.put("question_tokens", QUESTION);
    latent.put("latents", Objects.requireNonNull(subject.job()).latents());
    latent.put("answer_tokens", ANSWER);
    for (String name : LatentJob.Times.NAMES) {
      latent.put(name, samples.median(name));
    }
    return result;
  }

  @Override
  public void close() {
    subject.close();
  }
}
