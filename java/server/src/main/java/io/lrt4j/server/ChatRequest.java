package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A request to {@code /v1/chat/completions}, checked.
 *
 * @param model that is asked for, or null
 * @param question what to ask
 * @param modeField that says its mode
 * @param manner how answers are wanted
 */
record ChatRequest(
    @Nullable String model, Question question, String modeField, Reply.Manner manner) {
  private static final Set<String> FIELDS =
      Set.of(
          "messages",
          "reasoning_effort",
          "chat_template_kwargs",
          "lrt",
          "logprobs",
          "top_logprobs",
          "tools",
          "tool_choice",
          "parallel_tool_calls",
          "response_format");

  static ChatRequest of(ObjectNode body, int maxMessages, GenerationOptions defaults) {
    Fields fields = Fields.of(body);
    Common.check(fields, FIELDS);
    GenerationOptions options = Common.options(fields, Common.maxTokens(fields, 1), defaults);
    Fields lrt = fields.object("lrt");
    Integer budget = lrt == null ? null : lrt.integer("budget", 2);
    if (budget != null) {
      options = options.withBudget(budget);
    }
    if (lrt != null && lrt.has("latents")) {
      throw ApiException.unsupported(
          "lrt.latents",
          "lrt.latents is not supported: a reasoning network computes as many latents as it was"
              + " trained for, and the answer's lrt.latent_tokens says how many");
    }
    options = options.withJsonSchema(jsonSchema(fields));
    boolean logprobs = fields.flag("logprobs");
    Integer top = fields.integer("top_logprobs", 0, GenerationOptions.MAX_TOP_LOGPROBS);
    if (top != null && top > 0) {
      if (!logprobs) {
        throw ApiException.invalid("top_logprobs", "top_logprobs needs logprobs to be true");
      }
      options = options.withTopLogprobs(top);
    }
    Question question =
        Tools.add(
            Question.of(Messages.of(fields, maxMessages)).mode(mode(fields)).options(options),
            fields);
    String modeField = lrt != null && lrt.has("mode") ? "lrt.mode" : "reasoning_effort";
    return new ChatRequest(
        fields.text("model"), question, modeField, Common.manner(fields, logprobs));
  }

  /** How the engine is asked: for answer i with seed + i, if there is one. */
  Desk.Call call(Engine engine) {
    Long seed = question.optionsOver(engine.defaultOptions()).seed();
    return (index, cancellation, listener) -> {
      Question asked = question.cancelledBy(cancellation);
      return engine.ask(seed == null ? asked : asked.seed(seed + index), listener);
    };
  }

  /** The schema that {@code response_format} wants an answer to have; null if any text will do. */
  private static @Nullable String jsonSchema(Fields fields) {
    Fields format = fields.object("response_format");
    return switch (format == null ? "text" : format.text("type")) {
      case "text" -> null;
      case "json_object" -> "{\"type\":\"object\"}";
      case "json_schema" -> {
        Fields named = Objects.requireNonNull(format).object("json_schema");
        Fields schema = named == null ? null : named.object("schema");
        if (named == null || schema == null) {
          throw format.must("json_schema", "have a schema", format.node().path("json_schema"));
        }
        named.only(Set.of("name", "description", "schema", "strict"));
        yield schema.node().toString();
      }
      case null, default ->
          throw Objects.requireNonNull(format)
              .must("type", "be text, json_object or json_schema", format.node().path("type"));
    };
  }

  /** How to think; {@code enable_thinking} only says whether to, as with vLLM and SGLang. */
  private static @Nullable Mode mode(Fields fields) {
    Mode mode = namedMode(fields);
    Fields template = fields.object("chat_template_kwargs");
    if (template == null) {
      return mode;
    }
    template.only(Set.of("enable_thinking"));
    if (!template.has("enable_thinking")) {
      return mode;
    }
    boolean thinking = template.flag("enable_thinking");
    if (mode == null) {
      return thinking ? Mode.EXPLICIT : Mode.DIRECT;
    }
    if (thinking == (mode == Mode.DIRECT)) {
      throw ApiException.invalid(
          "chat_template_kwargs.enable_thinking",
          "chat_template_kwargs.enable_thinking "
              + thinking
              + " and the mode "
              + mode.name().toLowerCase(Locale.ROOT)
              + " disagree: give one of them");
    }
    return mode;
  }

  /** {@code lrt.mode} says it by our names, {@code reasoning_effort} by OpenAI's. */
  private static @Nullable Mode namedMode(Fields fields) {
    String effort = fields.text("reasoning_effort");
    Mode byEffort =
        switch (effort) {
          case null -> null;
          case "none" -> Mode.DIRECT;
          case "minimal", "low" -> Mode.LATENT;
          case "medium" -> Mode.AUTO;
          case "high", "xhigh" -> Mode.EXPLICIT;
          default ->
              throw fields.must(
                  "reasoning_effort",
                  "be none (direct), minimal or low (latent), medium (auto), high or xhigh"
                      + " (explicit)",
                  fields.node().get("reasoning_effort"));
        };
    Fields lrt = fields.object("lrt");
    if (lrt == null) {
      return byEffort;
    }
    lrt.only(Set.of("mode", "budget", "latents"));
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
}
