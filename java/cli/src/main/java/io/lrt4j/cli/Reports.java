package io.lrt4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Answers as JSON and as a line of text. */
final class Reports {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private Reports() {}

  /**
   * What every answer of one process shares.
   *
   * @param loadMillis time that loading took
   * @param backend that computes
   * @param model its directory
   */
  record Setting(double loadMillis, String backend, String model) {}

  /** An empty JSON object. */
  static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  /** A JSON object's fields in order, {@code name, value, name, value, …}. */
  static Map<String, Object> fields(Object... namesAndValues) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      fields.put((String) namesAndValues[i], namesAndValues[i + 1]);
    }
    return fields;
  }

  /** JSON in one line, of a tree or of maps and lists. */
  static String line(Object json) {
    try {
      return MAPPER.writeValueAsString(json);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e); // a tree in memory can always be written
    }
  }

  /** The fields that scripts rely on, of a question's answer. */
  static ObjectNode json(Answer answer, Setting setting) {
    ObjectNode json = object();
    json.put("text", answer.text());
    json.put("reasoning", answer.reasoning());
    json.put("mode", lower(answer.mode()));
    return rest(json, answer, setting);
  }

  /** The same of a plain completion, which has no mode and no thinking. */
  static ObjectNode completion(Answer answer, Setting setting) {
    return rest(object().put("text", answer.text()), answer, setting);
  }

  private static ObjectNode rest(ObjectNode json, Answer answer, Setting setting) {
    json.put("finish_reason", lower(answer.finishReason()));
    var tokens = answer.tokens();
    json.putObject("tokens")
        .put("prompt", tokens.prompt())
        .put("latent", tokens.latent())
        .put("reasoning", tokens.reasoning())
        .put("answer", tokens.answer())
        .put("cached", tokens.cached());
    var ids = json.putArray("ids");
    answer.ids().forEach(ids::add);
    json.put("seed", answer.seed());
    var timings = answer.timings();
    json.putObject("timings_ms")
        .put("load", millis(setting.loadMillis()))
        .put("encode", millis(timings.encode()))
        .put("reason", millis(timings.reason()))
        .put("prefill", millis(timings.prefill()))
        .put("first_token", tokens.answer() > 0 ? millis(timings.firstToken()) : null)
        .put("decode", millis(timings.decode()))
        .put("total", millis(timings.total()));
    json.put("tokens_per_second", millis(answer.tokensPerSecond()));
    json.set("confidence", number(answer.confidence().meanLogprob()));
    json.set("smallest_margin", number(answer.confidence().smallestMargin()));
    json.put("backend", setting.backend());
    json.put("model", setting.model());
    return json;
  }

  /** JSON has no NaN: null says that there is no such number. */
  static JsonNode number(double value) {
    return Double.isFinite(value)
        ? JsonNodeFactory.instance.numberNode(value)
        : JsonNodeFactory.instance.nullNode();
  }

  private static double millis(double value) {
    return Math.round(value * 1000) / 1000.0;
  }

  /** An enum constant as scripts and people write it. */
  static String lower(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  /** One line for standard error: what it took. */
  static String summary(Answer answer, Setting setting, boolean withMode) {
    List<String> parts = new ArrayList<>();
    var tokens = answer.tokens();
    if (withMode) {
      parts.add(lower(answer.mode()));
    }
    parts.add("prompt " + tokens.prompt());
    if (tokens.cached() > 0) {
      parts.add("cached " + tokens.cached());
    }
    if (tokens.latent() > 0) {
      parts.add("latent " + tokens.latent());
    }
    if (tokens.reasoning() > 0) {
      parts.add("reasoning " + tokens.reasoning());
    }
    parts.add("answer " + tokens.answer() + " tokens");
    if (tokens.answer() > 0) {
      parts.add("first token " + duration(answer.timings().firstToken()));
    }
    parts.add("total " + duration(answer.timings().total()));
    parts.add(String.format(Locale.ROOT, "%.1f tokens/s", answer.tokensPerSecond()));
    if (Double.isFinite(answer.confidence().meanLogprob())) {
      parts.add(String.format(Locale.ROOT, "confidence %.3f", answer.confidence().meanLogprob()));
    }
    if (answer.seed() != null) {
      parts.add("seed " + answer.seed());
    }
    parts.add(setting.backend());
    parts.add(lower(answer.finishReason()));
    return "[" + String.join(", ", parts) + "]";
  }

  /** Milliseconds as people read them. */
  static String duration(double millis) {
    return millis < 1000
        ? String.format(Locale.ROOT, "%.0f ms", millis)
        : String.format(Locale.ROOT, "%.2f s", millis / 1000);
  }

  /** Bytes as people read them. */
  static String size(long bytes) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  }

  /** A text out of a file that nobody vouches for, for a terminal: no control characters. */
  static String printable(String text) {
    var out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              int type = Character.getType(c);
              if (c == '\n') {
                out.append("\\n");
              } else if (type == Character.CONTROL
                  || type == Character.FORMAT
                  || type == Character.SURROGATE
                  || type == Character.LINE_SEPARATOR
                  || type == Character.PARAGRAPH_SEPARATOR) {
                out.append(String.format(Locale.ROOT, "\\u%04x", c));
              } else {
                out.appendCodePoint(c);
              }
            });
    return out.toString();
  }
}
