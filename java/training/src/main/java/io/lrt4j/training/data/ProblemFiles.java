package io.lrt4j.training.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.evaluation.data.Fingerprint;
import io.lrt4j.evaluation.data.JsonLines;
import io.lrt4j.training.TrainingException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Problems from JSONL files, one JSON object a line: {@code question}, {@code answer} and optional
 * {@code reasoning}; GSM8K's own form, whose {@code answer} ends in {@code #### 42}; or {@code
 * problem}, {@code solution}, {@code answer} as in OpenR1-Math.
 */
public final class ProblemFiles {
  private static final String GSM8K_ANSWER = "#### ";
  private static final JsonMapper MAPPER = new JsonMapper();

  private ProblemFiles() {}

  /**
   * All problems of a file; empty lines are passed over.
   *
   * @throws TrainingException if a line is not what it should be
   */
  public static List<Problem> read(Path file) {
    List<Problem> problems = new ArrayList<>();
    try {
      JsonLines.each(
          file, (number, line) -> problems.add(problem(file + ", line " + number, line)));
    } catch (IOException e) {
      throw new TrainingException(String.valueOf(e.getMessage()), e);
    }
    return problems;
  }

  /** Of problems in their order: another one if any of them is, wherever they stand. */
  public static String fingerprint(List<Problem> problems) {
    return Fingerprint.of(
        problems.stream()
            .map(p -> List.of(p.question(), p.reasoning(), p.answer(), p.truth()))
            .toList());
  }

  private static Problem problem(String where, String line) {
    JsonNode json;
    try {
      json = MAPPER.readTree(line);
    } catch (JsonProcessingException e) {
      throw new TrainingException(where + ": expected one JSON object", e);
    }
    if (json.has("problem")) {
      String answer = text(where, json, "answer");
      return new Problem(
          text(where, json, "problem"), json.path("solution").asText(""), answer, answer, where);
    }
    String question = text(where, json, "question");
    String answer = text(where, json, "answer");
    int mark = answer.lastIndexOf(GSM8K_ANSWER);
    if (mark >= 0 && !json.has("reasoning")) {
      String chain = answer.substring(0, mark).replaceAll("<<[^<>]*>>", "").strip();
      String truth = answer.substring(mark + GSM8K_ANSWER.length()).strip().replace(",", "");
      return new Problem(question, chain, truth, truth, where);
    }
    return new Problem(question, json.path("reasoning").asText(""), answer, answer, where);
  }

  private static String text(String where, JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isTextual() && !value.isNumber()) {
      throw new TrainingException(
          where
              + ": expected a text \""
              + key
              + "\", found "
              + (value.isMissingNode() ? "none" : value.getNodeType()));
    }
    return value.asText();
  }
}
