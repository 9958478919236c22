package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Question;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import io.lrt4j.ToolChoice;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Tools and their calls, in OpenAI's form. */
final class Tools {
  private static final int MAX_TOOLS = 128; // OpenAI's own limit

  private Tools() {}

  /** The question with the tools that a request offers: none if it wants none called. */
  static Question add(Question question, Fields fields) {
    List<Tool> tools = new ArrayList<>();
    for (Fields tool : fields.objects("tools", MAX_TOOLS)) {
      tool.only(Set.of("type", "function"));
      tools.add(tool(function(tool)));
    }
    ToolChoice choice = choice(fields);
    if (choice == null) {
      return question;
    }
    if (tools.isEmpty() && fields.has("tool_choice")) {
      throw ApiException.invalid("tool_choice", "tool_choice needs tools");
    }
    ToolChoice all =
        fields.has("parallel_tool_calls")
            ? choice.withParallel(fields.flag("parallel_tool_calls"))
            : choice;
    return fields.taken("tool_choice", () -> question.tools(tools, all));
  }

  /** How tools may be called; null: not at all. */
  private static @Nullable ToolChoice choice(Fields fields) {
    JsonNode node = fields.node().path("tool_choice");
    if (node.isObject()) {
      return choiceOf(Objects.requireNonNull(fields.object("tool_choice")));
    }
    return switch (fields.has("tool_choice") ? node.textValue() : "auto") {
      case "auto" -> ToolChoice.AUTO;
      case "required" -> ToolChoice.REQUIRED;
      case "none" -> null;
      case null, default ->
          throw fields.must("tool_choice", "be none, auto, required or an object", node);
    };
  }

  private static ToolChoice choiceOf(Fields choice) {
    if (!"allowed_tools".equals(choice.text("type"))) {
      choice.only(Set.of("type", "function"));
      return ToolChoice.named(name(choice));
    }
    choice.only(Set.of("type", "allowed_tools"));
    Fields allowed = choice.object("allowed_tools");
    if (allowed == null) {
      throw choice.must("allowed_tools", "be an object", choice.node().path("allowed_tools"));
    }
    allowed.only(Set.of("mode", "tools"));
    List<String> names = allowed.objects("tools", MAX_TOOLS).stream().map(Tools::name).toList();
    if (names.isEmpty()) {
      throw allowed.must("tools", "be a list of one function at least", MissingNode.getInstance());
    }
    return switch (allowed.text("mode")) {
      case "auto" -> ToolChoice.AUTO.withNames(names);
      case "required" -> ToolChoice.REQUIRED.withNames(names);
      case null, default ->
          throw allowed.must("mode", "be auto or required", allowed.node().path("mode"));
    };
  }

  /** Of a function that is referred to. */
  private static String name(Fields of) {
    Fields function = function(of);
    String name = function.text("name");
    if (name == null) {
      throw function.must("name", "be a string", function.node().path("name"));
    }
    return name;
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
