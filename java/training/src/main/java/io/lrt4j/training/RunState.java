package io.lrt4j.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.CheckpointException;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Everything that a run needs to go on: one safetensors file of parameters and moments, with the
 * rest in its metadata, so that a checkpoint is one file that is either there or not.
 *
 * @param step how many steps are done
 * @param updates how many updates the optimiser has made
 * @param best the best figure of an evaluation so far; NaN before the first
 * @param metricsBytes length of the metrics file at that time
 * @param seconds the run has taken so far
 * @param fingerprint of the run's settings
 */
record RunState(
    int step, int updates, double best, long metricsBytes, double seconds, String fingerprint) {
  private static final JsonMapper MAPPER = new JsonMapper();
  private static final String KEY = "lrt_training_state";
  private static final List<String> KINDS = List.of("parameter", "first_moment", "second_moment");

  void write(Path file, Parameters parameters) {
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    for (String kind : KINDS) {
      parameters
          .parts()
          .forEach(
              (name, part) ->
                  entries.add(
                      SafetensorsWriter.Entry.of(
                          kind + "." + name,
                          part.shape(),
                          parameters.get(flat(parameters, kind), name))));
    }
    ObjectNode json = MAPPER.createObjectNode();
    json.put("step", step).put("updates", updates);
    if (!Double.isNaN(best)) {
      json.put("best", best);
    }
    json.put("metrics_bytes", metricsBytes).put("seconds", seconds);
    json.put("fingerprint", fingerprint);
    SafetensorsWriter.write(file, Map.of(KEY, json.toString()), entries);
  }

  private static Tensor flat(Parameters parameters, String kind) {
    return switch (kind) {
      case "parameter" -> parameters.master();
      case "first_moment" -> parameters.firstMoments();
      default -> parameters.secondMoments();
    };
  }

  /**
   * Reads a state into the parameters.
   *
   * @throws TrainingException if it is not one, or one of another run
   */
  static RunState read(Path file, Parameters parameters, String fingerprint) {
    try (Safetensors stored = Safetensors.open(file)) {
      JsonNode json = MAPPER.readTree(stored.metadata().getOrDefault(KEY, "{}"));
      String found = json.path("fingerprint").asText();
      List<String> before = items(found);
      List<String> now = new ArrayList<>(items(fingerprint));
      // Begun before that was written down: nobody can tell.
      now.removeIf(item -> item.contains(" ") && before.stream().noneMatch(b -> alike(item, b)));
      if (!before.equals(now)) {
        throw new TrainingException(
            file
                + ": this is the checkpoint of a run with other settings: expected "
                + different(now, before)
                + ", found "
                + different(before, now));
      }
      for (String kind : KINDS) {
        for (String name : parameters.parts().keySet()) {
          StoredTensor tensor = stored.find(kind + "." + name);
          if (tensor == null || !tensor.shape().equals(shape(parameters, name))) {
            throw new TrainingException(file + ": expected " + kind + "." + name + " in its shape");
          }
          parameters.put(flat(parameters, kind), name, tensor);
        }
      }
      parameters.masterChanged();
      return new RunState(
          json.path("step").asInt(),
          json.path("updates").asInt(),
          json.path("best").asDouble(Double.NaN),
          json.path("metrics_bytes").asLong(),
          json.path("seconds").asDouble(),
          found);
    } catch (CheckpointException | JsonProcessingException e) {
      throw new TrainingException(file + ": not a checkpoint of a run", e);
    }
  }

  /** What a fingerprint says, one by one. */
  private static List<String> items(String fingerprint) {
    // Without the brackets of lists and records.
    return Stream.of(fingerprint.split(", ", -1))
        .map(item -> item.replaceAll("^\\w*\\[|]+$", ""))
        .toList();
  }

  /** Whether two items say something of the same, as {@code seed 1} and {@code seed 2}. */
  private static boolean alike(String a, String b) {
    return b.startsWith(a.substring(0, a.indexOf(' ') + 1));
  }

  /** What one fingerprint says otherwise than another; all of it if they are not of one kind. */
  private static String different(List<String> ours, List<String> others) {
    return IntStream.range(0, ours.size())
        .filter(i -> ours.size() != others.size() || !ours.get(i).equals(others.get(i)))
        .mapToObj(ours::get)
        .collect(Collectors.joining(", "));
  }

  private static List<Long> shape(Parameters parameters, String name) {
    return Objects.requireNonNull(parameters.parts().get(name)).shape();
  }
}
