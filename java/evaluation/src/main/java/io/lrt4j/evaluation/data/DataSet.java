package io.lrt4j.evaluation.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.evaluation.EvaluationException;
import io.lrt4j.evaluation.grade.Grader;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * The questions of a JSONL file, one JSON object a line.
 *
 * @param name the file's, or its folder's when that says more
 * @param tasks at least one
 */
public record DataSet(String name, List<Task> tasks) {
  private static final JsonMapper MAPPER = new JsonMapper();
  private static final String BOXED =
      "\n\nPlease reason step by step, and put your final answer within \\boxed{}.";
  private static final String LETTER =
      "\n\nPlease reason step by step, and put the letter of your choice within \\boxed{}.";
  private static final String GSM8K_MARK = "#### ";
  private static final String GPQA_RIGHT = "Correct Answer";

  /**
   * How a file is read.
   *
   * @param format of the file
   * @param question name of the field with the question, instead of the format's; null for the
   *     format's
   * @param answer name of the field with the right answer, likewise
   * @param grader instead of the format's; null for the format's
   */
  public record Reading(
      Format format, @Nullable String question, @Nullable String answer, @Nullable Grader grader) {
    /** Everything by the file's own fields. */
    public static final Reading AUTO = new Reading(Format.AUTO, null, null, null);
  }

  public DataSet {
    tasks = List.copyOf(tasks);
  }

  /** Another one if anything is asked or graded otherwise, whatever the file is called. */
  public String fingerprint() {
    return Fingerprint.of(tasks);
  }

  /**
   * Reads a file; empty lines are passed over.
   *
   * @throws EvaluationException if it cannot be read, a line is not what it should be, or there is
   *     none
   */
  public static DataSet read(Path file, Reading reading) {
    List<Task> tasks = new ArrayList<>();
    Set<String> ids = new HashSet<>();
    try {
      JsonLines.each(
          file,
          (number, line) -> {
            Task task = new Line(file, number, parse(file, number, line), reading).task();
            if (!ids.add(task.id())) {
              throw new EvaluationException(
                  file + ", line " + number + ": the id " + task.id() + " was used before");
            }
            tasks.add(task);
          });
    } catch (IOException e) {
      throw new EvaluationException(String.valueOf(e.getMessage()), e);
    }
    if (tasks.isEmpty()) {
      throw new EvaluationException(file + ": expected at least one question, found none");
    }
    return new DataSet(name(file), tasks);
  }

  /** The first so many questions; all if there are fewer. */
  public DataSet first(int count) {
    return count >= tasks.size() ? this : new DataSet(name, tasks.subList(0, count));
  }

  private static String name(Path file) {
    Path absolute = file.toAbsolutePath();
    String name = absolute.getFileName().toString().replaceFirst("\\.jsonl?$", "");
    Path folder = absolute.getParent();
    boolean common = Set.of("test", "train", "dev", "validation", "problems").contains(name);
    Path said = folder == null ? null : folder.getFileName();
    return common && said != null ? said.toString() : name;
  }

  private static JsonNode parse(Path file, int number, String line) {
    try {
      JsonNode json = MAPPER.readTree(line);
      if (json.isObject()) {
        return json;
      }
    } catch (JsonProcessingException e) {
      throw new EvaluationException(file + ", line " + number + ": expected one JSON object", e);
    }
    throw new EvaluationException(file + ", line " + number + ": expected one JSON object");
  }

  /** One line of a file. */
  private record Line(Path file, int number, JsonNode json, Reading reading) {
    Task task() {
      return switch (format()) {
        case GSM8K -> {
          String answer = answer("answer");
          int mark = answer.lastIndexOf(GSM8K_MARK);
          String truth = mark < 0 ? answer : answer.substring(mark + GSM8K_MARK.length());
          yield task(text("question") + BOXED, truth.strip().replace(",", ""), Grader.AUTO, "");
        }
        case MATH ->
            task(
                text("problem") + BOXED,
                answer("answer"),
                Grader.MATH,
                json.has("level") ? "level " + json.get("level").asText() : "");
        case AGIEVAL -> agieval();
        case GPQA -> gpqa();
        default ->
            task(
                text("question"),
                answer("answer"),
                Grader.AUTO,
                json.has("steps") ? "steps " + json.get("steps").asText() : "");
      };
    }

    private Format format() {
      if (reading.format != Format.AUTO) {
        return reading.format;
      }
      if (reading.question != null) {
        return Format.PLAIN;
      }
      if (json.has("options") && json.has("label")) {
        return Format.AGIEVAL;
      }
      if (json.has(GPQA_RIGHT)) {
        return Format.GPQA;
      }
      if (json.has("problem")) {
        return Format.MATH;
      }
      return json.path("answer").asText("").contains(GSM8K_MARK) ? Format.GSM8K : Format.PLAIN;
    }

    private Task task(String prompt, String truth, Grader grader, String group) {
      String id =
          json.has("id")
              ? json.get("id").asText()
              : json.path("unique_id").asText(Integer.toString(number));
      Grader chosen = reading.grader == null ? grader : reading.grader;
      return new Task(id, prompt, truth, chosen, group);
    }

    private Task agieval() {
      JsonNode options = json.path("options");
      if (!options.isArray() || options.isEmpty()) {
        throw wrong("options", "a list of choices", options);
      }
      var prompt = new StringBuilder();
      String passage = json.path("passage").asText("");
      if (!passage.isBlank() && !passage.equals("null")) {
        prompt.append(passage).append("\n\n");
      }
      prompt.append(text("question"));
      options.forEach(option -> prompt.append('\n').append(option.asText()));
      return task(prompt + LETTER, answer("label"), Grader.CHOICE, "");
    }

    /** The right choice at a place that depends on nothing but the question. */
    private Task gpqa() {
      String question = text("Question");
      List<String> choices = new ArrayList<>();
      choices.add(answer(GPQA_RIGHT).strip());
      for (int i = 1; i <= 3; i++) {
        choices.add(field("Incorrect Answer " + i).strip());
      }
      String right = choices.getFirst();
      var random = new SplittableRandom(question.hashCode());
      for (int i = choices.size() - 1; i > 0; i--) {
        choices.add(i, choices.remove(random.nextInt(i + 1)));
      }
      var prompt = new StringBuilder(question.strip());
      for (int i = 0; i < choices.size(); i++) {
        prompt.append("\n(").append((char) ('A' + i)).append(") ").append(choices.get(i));
      }
      String truth = String.valueOf((char) ('A' + choices.indexOf(right)));
      return task(prompt + LETTER, truth, Grader.CHOICE, "");
    }

    private String text(String key) {
      return field(reading.question == null ? key : reading.question);
    }

    private String answer(String key) {
      return field(reading.answer == null ? key : reading.answer);
    }

    private String field(String key) {
      JsonNode value = json.path(key);
      if (value.isTextual() && !value.asText().isBlank()) {
        return value.asText();
      }
      boolean finite = !value.isFloatingPointNumber() || Double.isFinite(value.doubleValue());
      if (value.isNumber() && finite) { // 27.0 is 27
        BigDecimal plain = value.decimalValue().stripTrailingZeros();
        return plain.scale() < -1_000 ? value.asText() : plain.toPlainString();
      }
      throw wrong(key, "a text", value);
    }

    private EvaluationException wrong(String key, String expected, JsonNode found) {
      String what =
          found.isMissingNode()
              ? "none"
              : found.isTextual()
                  ? "an empty one"
                  : found.isNumber()
                      ? "a number that is too large"
                      : found.getNodeType().toString();
      return new EvaluationException(
          file + ", line " + number + ": expected " + expected + " \"" + key + "\", found " + what);
    }
  }
}
