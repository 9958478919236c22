package io.lrt4j.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.QuestionException;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Tools and calls as chat templates take them, and as models write them. */
public final class ToolTexts {
  private static final int MAX_NESTING = 64;

  private static final JsonMapper MAPPER = json(MAX_NESTING).build();

  private ToolTexts() {}

  /** What reads JSON that is at most {@code nesting} deep and has nothing behind it. */
  public static JsonMapper.Builder json(int nesting) {
    return JsonMapper.builder(
            JsonFactory.builder()
                .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(nesting).build())
                .build())
        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
  }

  /**
   * A tool as a template takes it, in the form of OpenAI.
   *
   * @param guard changes every text in it
   */
  public static Map<String, Object> tool(Tool tool, UnaryOperator<String> guard) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", tool.name());
    function.put("description", guard.apply(tool.description()));
    try {
      function.put("parameters", guarded(object(tool.parameters(), tool.name()), guard));
    } catch (QuestionException e) {
      throw e.about(QuestionException.Part.TOOLS);
    }
    return typed(function);
  }

  /** A call as the {@code tool_calls} of an assistant's message have it. */
  public static Map<String, Object> call(ToolCall call) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", call.name());
    String arguments = call.arguments().isBlank() ? "{}" : call.arguments(); // as clients say it
    function.put("arguments", guarded(object(arguments, call.name()), t -> t));
    return typed(function);
  }

  private static Map<String, Object> typed(Map<String, Object> function) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("type", "function");
    all.put("function", function);
    return all;
  }

  private static JsonNode object(String json, String name) {
    JsonNode node = read(json);
    if (node instanceof ObjectNode) {
      return node;
    }
    throw new QuestionException(
        "parameters and arguments of a tool must be a JSON object that nests at most "
            + MAX_NESTING
            + " deep; those of "
            + name
            + " are none");
  }

  private static @Nullable JsonNode read(String json) {
    try {
      return MAPPER.readTree(json);
    } catch (JsonProcessingException e) {
      return null;
    }
  }

  /** As Java's own types, with every text changed. */
  private static @Nullable Object guarded(JsonNode node, UnaryOperator<String> guard) {
    if (node.isObject()) {
      Map<String, @Nullable Object> map = new LinkedHashMap<>();
      node.properties()
          .forEach(e -> map.put(guard.apply(e.getKey()), guarded(e.getValue(), guard)));
      return map;
    }
    if (node.isArray()) {
      List<@Nullable Object> list = new ArrayList<>();
      node.forEach(item -> list.add(guarded(item, guard)));
      return list;
    }
    return node.isTextual()
        ? guard.apply(node.textValue())
        : node.isBoolean() ? (Object) node.booleanValue() : node.numberValue(); // null of null
  }

  /** The call in {@code json}, {@code {"name": …, "arguments": {…}}}; null if there is none. */
  static @Nullable ToolCall parse(String json) {
    JsonNode node = read(json);
    if (node == null || !node.path("name").isTextual()) {
      return null;
    }
    JsonNode arguments = node.path("arguments");
    if (arguments.isTextual()) { // some models write them as a text
      arguments = read(arguments.textValue());
    }
    return arguments instanceof ObjectNode
        ? new ToolCall(node.get("name").textValue(), arguments.toString())
        : null;
  }
}
