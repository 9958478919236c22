package io.lrt4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.BackendException;
import io.lrt4j.Engine;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkShape;
import io.lrt4j.evaluation.speed.ReadBandwidth;
import io.lrt4j.evaluation.speed.Samples;
import io.lrt4j.evaluation.speed.Table;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a user of one checkpoint gets: load time, prefill and decode speed, a latent reasoning job,
 * cold start and memory. Every number is the median of several repetitions after one to warm up.
 * Several settings take turns within each repetition, so that what disturbs the machine for a while
 * disturbs them all.
 *
 * @param model checkpoint directory
 * @param network of the model's; null makes a random one with 256 latents for the occasion
 * @param threads of the backend
 * @param repetitions of each measurement
 * @param launcher the command line's launcher, or null to leave it out
 */
record EndToEnd(
    Path model, @Nullable Path network, int threads, int repetitions, @Nullable Path launcher) {
  private static final int LATENTS = 256;

  /** The results, one for each setting that its backend knows. */
  ArrayNode measure(List<Setting> settings, ReadBandwidth read) throws IOException {
    ArrayNode results = JsonNodeFactory.instance.arrayNode();
    try (TemporaryFolder folder = new TemporaryFolder()) {
      Path directory = network == null ? newNetwork(folder.path().resolve("network")) : network;
      Map<Setting, ObjectNode> all = warm(settings, directory, read);
      for (var entry : all.entrySet()) {
        fresh(entry.getKey(), directory, entry.getValue());
        results.add(entry.getValue());
      }
    }
    return results;
  }

  private Path newNetwork(Path directory) {
    NetworkShape shape;
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      shape = NetworkShape.suiting(checkpoint.config()).withLatents(LATENTS);
    }
    Initializer.network(model, directory, shape, 1);
    return directory;
  }

  /** What is measured in this process, once the compiler has done its work. */
  private Map<Setting, ObjectNode> warm(
      List<Setting> settings, Path directory, ReadBandwidth read) {
    Map<Setting, Measurement> subjects = new LinkedHashMap<>();
    try {
      for (Setting setting : settings) {
        try {
          subjects.put(setting, new Measurement(model, directory, setting, threads));
        } catch (BackendException e) {
          System.out.println(setting + " is left out: " + e.getMessage());
        }
      }
      for (int i = 0; i <= repetitions; i++) {
        for (var entry : subjects.entrySet()) {
          entry.getValue().samples().add("load_ms", load(entry.getKey()));
          entry.getValue().run(read);
        }
      }
      Map<Setting, ObjectNode> results = new LinkedHashMap<>();
      subjects.forEach(
          (setting, subject) -> results.put(setting, subject.result(setting, model, threads)));
      return results;
    } finally {
      subjects.values().forEach(Measurement::close);
    }
  }

  private double load(Setting setting) {
    try (Engine engine = Engine.load(model, setting.engine(threads))) {
      return engine.loadMillis();
    }
  }

  /** What only new processes show. */
  private void fresh(Setting setting, Path directory, ObjectNode result) throws IOException {
    var job = FreshProcess.latentJob(model, setting, threads, directory);
    ObjectNode jobResult = result.withObject("/latent_job");
    jobResult.put("cold_start_to_end_ms", job.millis());
    jobResult.put("peak_memory_bytes", job.peakMemory());
    jobResult.put("anonymous_memory_bytes", job.anonymousMemory());
    List<Double> millis = new ArrayList<>();
    List<Double> launched = new ArrayList<>();
    long peak = 0;
    long anonymous = 0;
    for (int i = 0; i < repetitions; i++) {
      var outcome = FreshProcess.firstToken(model, setting, threads);
      millis.add(outcome.millis());
      peak = Math.max(peak, outcome.peakMemory());
      anonymous = Math.max(anonymous, outcome.anonymousMemory());
      if (launcher != null) {
        launched.add(FreshProcess.launcher(launcher, model, setting, threads));
      }
    }
    ObjectNode cold = result.putObject("cold_start");
    cold.put("prompt_tokens", FreshProcess.PROMPT);
    cold.put("first_token_ms", Samples.median(millis));
    if (launcher != null) {
      cold.put("launcher_first_token_ms", Samples.median(launched));
    }
    cold.put("peak_memory_bytes", peak);
    cold.put("anonymous_memory_bytes", anonymous);
  }

  /** The numbers one below the other, settings side by side. */
  static Table table(ArrayNode results) {
    return table("end to end", results);
  }

  /** Numbers of several objects that have the same fields, side by side. */
  private static Table table(String title, Iterable<JsonNode> objects) {
    Map<String, List<String>> fields = new LinkedHashMap<>();
    List<String> heads = new ArrayList<>(List.of(title));
    for (JsonNode object : objects) {
      heads.add("");
      addAll("", object, fields);
    }
    Table table = new Table(heads.toArray(String[]::new));
    fields.forEach(
        (name, values) -> {
          List<String> row = new ArrayList<>(List.of(name));
          row.addAll(values);
          table.add(row.toArray(String[]::new));
        });
    return table;
  }

  private static void addAll(String prefix, JsonNode node, Map<String, List<String>> fields) {
    for (var entry : node.properties()) {
      String name = prefix + entry.getKey();
      JsonNode value = entry.getValue();
      if (value.isObject()) {
        addAll(name + ".", value, fields);
      } else {
        fields.computeIfAbsent(name, _ -> new ArrayList<>()).add(text(value));
      }
    }
  }

  private static String text(JsonNode value) {
    double number = value.asDouble();
    return value.isDouble()
        ? String.format(Locale.ROOT, number < 100 ? "%.3g" : "%.0f", number)
        : value.asText();
  }
}
