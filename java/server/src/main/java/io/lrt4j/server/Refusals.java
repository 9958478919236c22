package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Set;

/** What OpenAI's interface has and is not run here: refused by name, unless it asks for nothing. */
final class Refusals {
  /** Fields that are taken with a value that changes nothing. */
  static final Set<String> NEUTRAL =
      Set.of(
          "presence_penalty",
          "frequency_penalty",
          "logit_bias",
          "response_format",
          "modalities",
          "logprobs",
          "top_logprobs",
          "tools",
          "tool_choice");

  /** Fields that only ask for what is not there. */
  private static final List<String> ABSENT =
      List.of("audio", "prediction", "web_search_options", "functions", "function_call");

  private Refusals() {}

  static void check(Fields fields) {
    for (String name : List.of("presence_penalty", "frequency_penalty")) {
      Float penalty = fields.number(name, -2, 2);
      if (penalty != null && penalty != 0) {
        throw ApiException.unsupported(
            name, name + " is not supported: use repetition_penalty, or 0");
      }
    }
    if (!fields.node().path("logit_bias").isEmpty()) {
      throw ApiException.unsupported("logit_bias", "logit_bias is not supported");
    }
    Fields format = fields.object("response_format");
    if (format != null && !"text".equals(format.text("type"))) {
      throw ApiException.unsupported(
          "response_format",
          "response_format "
              + Fields.shown(format.node().path("type").asText("without a type"))
              + " is not supported: answers are not constrained to a form, only text is");
    }
    for (String modality : fields.texts("modalities", 8)) {
      if (!modality.equals("text")) {
        throw ApiException.unsupported(
            "modalities", "modalities other than text are not supported");
      }
    }
    Integer top = fields.integer("top_logprobs", 0);
    if (top != null && top > 0) {
      throw ApiException.unsupported(
          "top_logprobs", "top_logprobs, those of other tokens, are not supported");
    }
    JsonNode choice = fields.node().path("tool_choice");
    if (!fields.node().path("tools").isEmpty()
        || !(choice.isMissingNode() || choice.isNull() || "none".equals(choice.textValue()))) {
      throw ApiException.unsupported("tools", "tools are not supported yet");
    }
    for (String name : ABSENT) {
      if (fields.has(name)) {
        throw ApiException.unsupported(name, name + " is not supported");
      }
    }
  }
}
