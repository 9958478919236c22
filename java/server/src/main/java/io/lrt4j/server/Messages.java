package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.lrt4j.Question;
import io.lrt4j.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The conversation in a request. */
final class Messages {
  private static final int MAX_PARTS = 1024;

  private Messages() {}

  static List<Question.Message> of(Fields fields, int maxMessages) {
    List<Question.Message> messages = new ArrayList<>();
    for (Fields message : fields.objects("messages", maxMessages)) {
      messages.add(message(message));
    }
    if (messages.isEmpty()) {
      throw ApiException.invalid("messages", "messages must have at least one message, found none");
    }
    return messages;
  }

  private static Question.Message message(Fields fields) {
    fields.only(
        Set.of(
            "role",
            "content",
            "name",
            "refusal",
            "annotations",
            "reasoning_content",
            "audio",
            "tool_calls",
            "tool_call_id"));
    Role role =
        switch (fields.text("role")) {
          case "system", "developer" -> Role.SYSTEM; // OpenAI's newer name for the same
          case "user" -> Role.USER;
          case "assistant" -> Role.ASSISTANT;
          case "tool" -> Role.TOOL;
          case null, default ->
              throw fields.must(
                  "role",
                  "be system, developer, user, assistant or tool",
                  fields.node().path("role"));
        };
    refuseFor(role != Role.TOOL, fields, "tool_call_id", "tool");
    refuseFor(role != Role.ASSISTANT, fields, "tool_calls", "assistant");
    if (role == Role.TOOL && fields.text("tool_call_id") == null) {
      throw fields.must("tool_call_id", "be a string", fields.node().path("tool_call_id"));
    }
    var calls = Tools.calls(fields);
    String content = calls.isEmpty() || fields.has("content") ? content(fields) : "";
    return new Question.Message(role, content, calls);
  }

  private static void refuseFor(boolean other, Fields fields, String name, String role) {
    if (other && fields.has(name)) {
      throw ApiException.invalid(
          fields.path() + name, fields.path() + name + " goes with role " + role + " only");
    }
  }

  /** A text, or parts of one. */
  private static String content(Fields message) {
    JsonNode content = message.node().path("content");
    if (!(content instanceof ArrayNode)) {
      String text = message.text("content");
      if (text == null) {
        throw message.must("content", "be a string or a list of text parts", content);
      }
      return text;
    }
    var text = new StringBuilder();
    for (Fields part : message.objects("content", MAX_PARTS)) {
      if (!"text".equals(part.text("type"))) {
        throw part.must("type", "be text", part.node().path("type"));
      }
      String of = part.text("text");
      if (of == null) {
        throw part.must("text", "be a string", part.node().path("text"));
      }
      text.append(of);
    }
    return text.toString();
  }
}
