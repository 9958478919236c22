package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Mode;
import io.lrt4j.Question;
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
 * @param count of answers
 * @param stream whether to send tokens as they come
 * @param includeUsage whether a stream ends with the usage
 */
record ChatRequest(
    @Nullable String model, Question question, int count, boolean stream, boolean includeUsage) {
  private static final int MAX_CHOICES = 128; // OpenAI's own limit
  private static final int MAX_STOPS = 16;
  private static final int MAX_PARTS = 1024;

  /** What is understood. */
  private static final Set<String> FIELDS =
      Set.of(
          "model",
          "messages",
          "stream",
          "stream_options",
          "n",
          "stop",
          "seed",
          "max_tokens",
          "max_completion_tokens",
          "temperature",
          "top_p",
          "top_k",
          "min_p",
          "repetition_penalty",
          "reasoning_effort",
          "lrt");

  /** Has no bearing on the answer. */
  private static final Set<String> IGNORED =
      Set.of(
          "user",
          "metadata",
          "store",
          "service_tier",
          "safety_identifier",
          "prompt_cache_key",
          "prompt_cache_retention",
          "parallel_tool_calls",
          "verbosity");

  static ChatRequest of(ObjectNode body, int maxMessages) {
    Fields fields = Fields.of(body);
    Refusals.check(fields);
    Set<String> known = new java.util.HashSet<>(FIELDS);
    known.addAll(IGNORED);
    known.addAll(Refusals.NEUTRAL);
    fields.only(known);

    Question question = Question.of(messages(fields, maxMessages)).mode(mode(fields));
    Integer maxTokens = fields.integer("max_completion_tokens", 1);
    if (maxTokens == null) {
      maxTokens = fields.integer("max_tokens", 1);
    }
    if (maxTokens != null) {
      question = question.maxTokens(maxTokens);
    }
    Fields lrt = fields.object("lrt");
    Integer budget = lrt == null ? null : lrt.integer("budget", 2);
    if (budget != null) {
      question = question.budget(budget);
    }
    question = sampling(fields, question);
    List<String> stop = fields.texts("stop", MAX_STOPS);
    if (!stop.isEmpty()) {
      question = question.stop(stop.toArray(String[]::new));
    }
    Integer count = fields.integer("n", 1);
    if (count != null && count > MAX_CHOICES) {
      throw ApiException.invalid("n", "n must be at most " + MAX_CHOICES + ", found " + count);
    }
    boolean stream = fields.flag("stream");
    Fields streamOptions = fields.object("stream_options");
    if (streamOptions != null) {
      streamOptions.only(Set.of("include_usage", "include_obfuscation"));
      if (!stream) {
        throw ApiException.invalid(
            "stream_options", "stream_options is only allowed when stream is true");
      }
    }
    return new ChatRequest(
        fields.text("model"),
        question,
        count == null ? 1 : count,
        stream,
        streamOptions != null && streamOptions.flag("include_usage"));
  }

  private static Question sampling(Fields fields, Question from) {
    Question question = from;
    Float temperature = fields.number("temperature", 0, 2);
    if (temperature != null) {
      question = question.temperature(temperature);
    }
    Float topP = fields.number("top_p", 0, 1);
    if (topP != null) {
      question = question.topP(topP);
    }
    Integer topK = fields.integer("top_k", 0);
    if (topK != null) {
      question = question.topK(topK);
    }
    Float minP = fields.number("min_p", 0, 1);
    if (minP != null) {
      question = question.minP(minP);
    }
    Float repetitionPenalty = fields.number("repetition_penalty", 0, 100);
    if (repetitionPenalty != null) {
      question = question.repetitionPenalty(repetitionPenalty);
    }
    Long seed = fields.longInteger("seed");
    return seed == null ? question : question.seed(seed);
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
      String known = role.equals("developer") ? "system" : role;
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
