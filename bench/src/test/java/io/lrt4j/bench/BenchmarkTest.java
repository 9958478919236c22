package io.lrt4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.Initializer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every benchmark still runs, at sizes that take no time; what it measures is not looked at. */
class BenchmarkTest {
  private static final String[] ONE = {"1"};

  @TempDir Path folder;

  @Test
  void limits() throws Exception {
    List<Jmh.Score> read = run(ReadBandwidth.class, Map.of("mebibytes", ONE));
    assertEquals(2, read.size());
    List<Jmh.Score> peak = run(PeakFlops.class, Map.of());
    Jmh.Limits limits = Jmh.Limits.of(List.of(read.getFirst(), read.getLast(), peak.getFirst()));
    assertTrue(limits.gigabytes() > 0);
    assertTrue(limits.gigaflops() > 0);
    assertTrue(read.getFirst().json(limits).has("share_of_read_bandwidth"));
    assertTrue(peak.getFirst().json(limits).has("share_of_peak_flops"));
  }

  @Test
  void kernels() throws Exception {
    Map<String, String[]> small =
        Map.of("shape", new String[] {"64x48"}, "rows", new String[] {"5"}, "mebibytes", ONE);
    assertEquals(3, run(ProjectionBenchmark.class, small).size());
    Map<String, String[]> shallow = Map.of("context", new String[] {"9"}, "mebibytes", ONE);
    assertEquals(2, run(AttentionBenchmark.class, shallow).size());
  }

  @Test
  void sampler() throws Exception {
    assertEquals(6, run(SamplerBenchmark.class, Map.of("vocabulary", new String[] {"100"})).size());
  }

  @Test
  void tokenizer() throws Exception {
    assertEquals(3, run(TokenizerBenchmark.class, Map.of()).size());
  }

  @Test
  void decode() throws Exception {
    assertEquals(3, run(DecodeBenchmark.class, Map.of("threads", ONE)).size());
  }

  @Test
  void endToEnd() throws Exception {
    Path model = folder.resolve("model");
    Initializer.model("tiny", model, 1);
    ObjectNode result = new EndToEnd(model, null, 1, 1, null).measure(new Jmh.Limits(1, 1));
    assertEquals(256, result.at("/latent_job/latents").asInt());
    for (String measured :
        List.of(
            "/load_ms",
            "/prefill_tokens_per_second/512",
            "/decode_tokens_per_second",
            "/share_of_read_bandwidth",
            "/latent_job/reason_ms",
            "/latent_job/total_ms",
            "/cold_start/first_token_ms")) {
      assertTrue(result.at(measured).asDouble() > 0, measured);
    }
  }

  private List<Jmh.Score> run(Class<?> benchmark, Map<String, String[]> params) throws Exception {
    List<Jmh.Score> scores = new Jmh(new Jmh.Effort(0, 1, 10), folder).run(benchmark, 1, params);
    assertTrue(Files.size(folder.resolve(benchmark.getSimpleName() + ".log")) > 0);
    for (Jmh.Score score : scores) {
      assertTrue(score.operations() > 0, score.benchmark());
    }
    return scores;
  }
}
