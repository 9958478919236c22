package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A request to {@code /v1/chat/completions}, checked.
 *
 * @param model that is asked for, or null
 * @param question what to ask
 * @param manner how answers are wanted
 */
record ChatRequest(@Nullable String model, Question question, Reply.Manner manner) {
  private static final int MAX_PARTS = 1024;

  private static final Set<String> FIELDS = Set.of("messages", "reasoning_effort", "lrt");

  static ChatRequest of(ObjectNode body, int maxMessages, GenerationOptions defaults) {
    Fields fields = Fields.of(body);
    Common.check(fields, FIELDS);
    GenerationOptions options = Common.options(fields, defaults);
    Fields lrt = fields.object("lrt");
    Integer budget = lrt == null ? null : lrt.integer("budget", 2);
    if (budget != null) {
      options = options.withBudget(budget);
    }
    Question question =
        Question.of(messages(fields, maxMessages)).mode(mode(fields)).options(options);
    return new ChatRequest(
        fields.text("model"), question, Common.manner(fields, fields.flag("logprobs")));
  }

  /** How the engine is asked. */
  Desk.Call call(Engine engine) {
    return (seed, cancellation, listener) -> {
      Question asked = question.cancelledBy(cancellation);
      return engine.ask(seed == null ? asked : asked.seed(seed), listener);
    };
  }

  /** {@code lrt.mode} says it by our names, {@code reasoning_effort} by OpenAI's. */
  private static @Nullable Mode mode(Fields fields) {
    String effort = fields.text("reasoning_effort");
    Mode byEffort =
        switch (effort) {
          case null -> null;
          case "none" -> Mode.DIRECT;
          case "low" -> Mode.LATENT;
          case "medium" -> Mode.AUTO;
          case "high" -> Mode.EXPLICIT;
          default ->
              throw fields.must(
                  "reasoning_effort",
                  "be none (direct), low (latent), medium (auto) or high (explicit)",
                  fields.node().get("reasoning_effort"));
        };
    Fields lrt = fields.object("lrt");
    if (lrt == null) {
      return byEffort;
    }
    lrt.only(Set.of("mode", "budget"));
    String mode = lrt.text("mode");
    if (mode == null) {
      return byEffort;
    }
    Mode byName =
        switch (mode) {
          case "direct", "latent", "auto", "explicit" ->
              Mode.valueOf(mode.toUpperCase(Locale.ROOT));
          default ->
              throw lrt.must("mode", "be direct, latent, auto or explicit", lrt.node().get("mode"));
        };
    if (byEffort != null && byEffort != byName) {
      throw ApiException.invalid(
          "lrt.mode",
          "lrt.mode " + mode + " and reasoning_effort " + effort + " disagree: give one of them");
    }
    return byName;
  }

  private static List<Question.Message> messages(Fields fields, int maxMessages) {
    List<Question.Message> messages = new ArrayList<>();
    for (Fields message : fields.objects("messages", maxMessages)) {
      message.only(Set.of("role", "content", "name", "refusal", "reasoning_content", "audio"));
      String role = message.text("role");
      if (role == null || !Set.of("system", "developer", "user", "assistant").contains(role)) {
        throw message.must(
            "role", "be system, developer, user or assistant", message.node().path("role"));
      }
      // OpenAI's newer name for the same
      Role known = role.equals("developer") ? Role.SYSTEM : Role.of(role);
      messages.add(new Question.Message(known, content(message)));
    }
    if (messages.isEmpty()) {
      throw ApiException.invalid("messages", "messages must have at least one message, found none");
    }
    return messages;
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
      String type = part.text("type");
      String of = part.text("text");
      if (!"text".equals(type) || of == null) {
        throw part.must("type", "be text, with a text", part.node().path("type"));
      }
      text.append(of);
    }
    return text.toString();
  }
}
