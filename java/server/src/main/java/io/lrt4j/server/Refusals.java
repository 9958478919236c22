package io.lrt4j.server;

import java.util.List;
import java.util.Set;

/** What OpenAI's interface has and is not run here: refused by name, unless it asks for nothing. */
final class Refusals {
  /** Fields that are taken with a value that changes nothing. */
  static final Set<String> NEUTRAL = Set.of("logit_bias", "modalities");

  /** Fields that only ask for what is not there. */
  private static final List<String> ABSENT =
      List.of("audio", "prediction", "web_search_options", "functions", "function_call");

  private Refusals() {}

  static void check(Fields fields) {
    if (!fields.node().path("logit_bias").isEmpty()) {
      throw ApiException.unsupported("logit_bias", "logit_bias is not supported");
    }
    for (String modality : fields.texts("modalities", 8)) {
      if (!modality.equals("text")) {
        throw ApiException.unsupported(
            "modalities", "modalities other than text are not supported");
      }
    }
    for (String name : ABSENT) {
      if (fields.has(name)) {
        throw ApiException.unsupported(name, name + " is not supported");
      }
    }
  }
}
