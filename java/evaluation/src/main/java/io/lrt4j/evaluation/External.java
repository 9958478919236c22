package io.lrt4j.evaluation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.JsonLines;
import io.lrt4j.evaluation.data.Task;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Grades answers that another program wrote, by the same rules: JSONL with {@code id} and {@code
 * text}, once for every sample.
 */
public final class External {
  /** The name of their cell. */
  public static final String CELL = "external/0";

  private static final JsonMapper MAPPER = new JsonMapper();

  private External() {}

  /**
   * Reads and grades.
   *
   * @throws EvaluationException if a line is not what it should be, names no question, or a
   *     question has no answer
   */
  public static List<Answered> grade(Path file, DataSet data) {
    Map<String, List<Trial>> byId = new LinkedHashMap<>();
    Map<String, Task> tasks = new LinkedHashMap<>();
    data.tasks().forEach(task -> tasks.put(task.id(), task));
    int number = 0;
    List<String> lines;
    try (BufferedReader reader = JsonLines.open(file)) {
      lines = reader.readAllLines();
    } catch (IOException e) {
      throw new EvaluationException(
          file + ": expected a JSONL file in UTF-8 that can be read: " + ModelFiles.cause(e), e);
    }
    for (String line : lines) {
      number++;
      if (line.isBlank()) {
        continue;
      }
      String where = file + ", line " + number;
      JsonNode json;
      try {
        json = MAPPER.readTree(line);
      } catch (IOException e) {
        throw new EvaluationException(where + ": expected one JSON object", e);
      }
      if (!json.path("id").isValueNode() || !json.path("text").isTextual()) {
        throw new EvaluationException(where + ": expected \"id\" and a text \"text\"");
      }
      String id = json.get("id").asText();
      Task task = tasks.get(id);
      if (task == null) {
        throw new EvaluationException(where + ": the data set has no question " + id);
      }
      byId.computeIfAbsent(id, _ -> new ArrayList<>())
          .add(Trial.of(task, json.get("text").asText()));
    }
    List<Answered> answered = new ArrayList<>();
    for (Task task : data.tasks()) {
      List<Trial> trials = byId.get(task.id());
      if (trials == null) {
        throw new EvaluationException(file + ": has no answer to question " + task.id());
      }
      answered.add(new Answered(CELL, task.id(), task.group(), task.truth(), trials));
    }
    return answered;
  }
}
