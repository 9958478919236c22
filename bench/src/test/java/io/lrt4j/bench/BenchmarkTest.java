package io.lrt4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.evaluation.speed.ReadBandwidth;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
    List<Jmh.Score> peak = run(PeakFlops.class, Map.of());
    Jmh.Limits limits = new Jmh.Limits(1, 0).withFlops(peak);
    assertTrue(limits.gigaflops() > 0);
    assertTrue(peak.getFirst().json(limits).has("share_of_peak_flops"));
  }

  @Test
  void settings() {
    assertEquals(
        List.of("native", "vector", "native q8", "vector q8"),
        names(Setting.all("native,vector", "none,q8", "auto")));
    assertEquals(
        List.of("native, keys and values f16"), names(Setting.all("native", "none", "f16")));
  }

  private static List<String> names(List<Setting> settings) {
    return settings.stream().map(Setting::toString).toList();
  }

  @Test
  void kernels() throws Exception {
    Map<String, String[]> small =
        Map.of("shape", new String[] {"64x48"}, "rows", new String[] {"5"}, "mebibytes", ONE);
    assertEquals(5, run(ProjectionBenchmark.class, small).size());
    Map<String, String[]> shallow = Map.of("context", new String[] {"9"}, "mebibytes", ONE);
    assertEquals(6, run(AttentionBenchmark.class, shallow).size());
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
    Map<String, String[]> soon = Map.of("threads", ONE, "backend", new String[] {"scalar"});
    assertEquals(4, run(DecodeBenchmark.class, soon).size());
  }

  @Test
  void endToEnd() throws Exception {
    Path model = folder.resolve("model");
    Initializer.model("tiny", model, 1);
    ArrayNode results;
    try (ReadBandwidth read = new ReadBandwidth(1, 16)) {
      List<Setting> settings = new ArrayList<>(Setting.all("scalar,cuda", "q8", "auto"));
      settings.add(Setting.of("scalar", "none", "q8"));
      results = new EndToEnd(model, null, 1, 1, null).measure(settings, read);
    }
    assertEquals(2, results.size()); // cuda does not quantise, if it is there at all
    assertEquals("q8", results.get(1).at("/cache_type").asText());
    assertEquals("f16", results.get(0).at("/cache_type").asText());
    double bytes = results.get(0).at("/cache_bytes_per_token").asDouble();
    assertEquals(34 / 64.0, results.get(1).at("/cache_bytes_per_token").asDouble() / bytes, 1e-9);
    JsonNode result = results.get(0);
    assertEquals(256, result.at("/latent_job/latents").asInt());
    assertTrue(result.at("/share_of_read_bandwidth").asDouble() <= 1);
    for (String measured :
        List.of(
            "/load_ms",
            "/prefill_tokens_per_second/512",
            "/decode_tokens_per_second",
            "/share_of_read_bandwidth",
            "/share_of_bandwidth_beside",
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
