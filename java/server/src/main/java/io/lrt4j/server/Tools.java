package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/** Tools and their calls, in OpenAI's form. */
final class Tools {
  private static final int MAX_TOOLS = 128; // OpenAI's own limit

  private Tools() {}

  /** The tools that a request offers: none if it wants none called. */
  static List<Tool> of(Fields fields) {
    List<Tool> tools = new ArrayList<>();
    for (Fields tool : fields.objects("tools", MAX_TOOLS)) {
      tool.only(Set.of("type", "function"));
      tools.add(tool(function(tool)));
    }
    if (fields.has("parallel_tool_calls") && !fields.flag("parallel_tool_calls")) {
      throw ApiException.unsupported(
          "parallel_tool_calls", "parallel_tool_calls cannot be false: the model decides");
    }
    if (!fields.has("tool_choice")) {
      return tools;
    }
    JsonNode choice = fields.node().get("tool_choice");
    if (tools.isEmpty() && !"none".equals(choice.textValue())) {
      throw ApiException.invalid("tool_choice", "tool_choice needs tools");
    }
    return switch (choice.textValue()) {
      case "auto" -> tools;
      case "none" -> List.of();
      case null, default ->
          throw ApiException.unsupported(
              "tool_choice",
              "tool_choice must be auto or none, found "
                  + Fields.shown(choice.toString())
                  + ": the model is not made to call");
    };
  }

  private static Fields function(Fields of) {
    if (!"function".equals(of.text("type"))) {
      throw of.must("type", "be function", of.node().path("type"));
    }
    Fields function = of.object("function");
    if (function == null) {
      throw of.must("function", "be an object", of.node().path("function"));
    }
    return function;
  }

  private static Tool tool(Fields function) {
    function.only(Set.of("name", "description", "parameters", "strict"));
    Fields parameters = function.object("parameters");
    String name = Objects.requireNonNullElse(function.text("name"), "");
    String description = Objects.requireNonNullElse(function.text("description"), "");
    String schema = parameters == null ? "{}" : parameters.node().toString();
    boolean strict = function.flag("strict");
    return function.taken("name", () -> new Tool(name, description, schema, strict));
  }

  /** The calls of an assistant's message. */
  static List<ToolCall> calls(Fields message) {
    List<ToolCall> calls = new ArrayList<>();
    for (Fields call : message.objects("tool_calls", MAX_TOOLS)) {
      call.only(Set.of("id", "type", "function", "index"));
      Fields function = function(call);
      String name = function.text("name");
      String arguments = function.text("arguments");
      if (name == null || arguments == null) {
        throw call.must("function", "have a name and arguments", call.node().get("function"));
      }
      calls.add(new ToolCall(name, arguments));
    }
    return calls;
  }

  /**
   * Adds calls to a message, or to a piece of one.
   *
   * @param id of the request
   * @param choice of its answers
   * @param first number of the first of them in its message
   * @param streamed whether they say their number
   */
  static void put(
      ObjectNode message,
      List<ToolCall> calls,
      String id,
      int choice,
      int first,
      boolean streamed) {
    if (calls.isEmpty()) {
      return;
    }
    ArrayNode all = message.putArray("tool_calls");
    for (int i = 0; i < calls.size(); i++) {
      ObjectNode call = all.addObject();
      if (streamed) {
        call.put("index", first + i);
      }
      call.put("id", "call_" + id + "_" + choice + "_" + (first + i)).put("type", "function");
      call.putObject("function")
          .put("name", calls.get(i).name())
          .put("arguments", calls.get(i).arguments());
    }
  }
}
