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
      String expected = fingerprint;
      for (String item : List.of(", " + RunSettings.DATA, ", " + RunSettings.EVAL_DATA)) {
        // Begun before the data's was written down: nobody can tell.
        expected = found.contains(item) ? expected : expected.replaceFirst(item + "[^],]*", "");
      }
      if (!found.equals(expected)) {
        throw new TrainingException(
            file
                + ": this is the checkpoint of a run with other settings: expected "
                + different(expected, found)
                + ", found "
                + different(found, expected));
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

  /** What one fingerprint says otherwise than another; all of it if they are not of one kind. */
  private static String different(String fingerprint, String other) {
    String[] ours = fingerprint.split(", ", -1);
    String[] others = other.split(", ", -1);
    return ours.length != others.length
        ? fingerprint
        : IntStream.range(0, ours.length)
            .filter(i -> !ours[i].equals(others[i]))
            .mapToObj(i -> ours[i].replaceAll("^\\[|]+$", "")) // of lists and records
            .collect(Collectors.joining(", "));
  }

  private static List<Long> shape(Parameters parameters, String name) {
    return Objects.requireNonNull(parameters.parts().get(name)).shape();
  }
}
