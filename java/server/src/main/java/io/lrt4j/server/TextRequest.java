package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A request to {@code /v1/completions}, checked.
 *
 * @param model that is asked for, or null
 * @param prompt token ids
 * @param options how to go on
 * @param manner how answers are wanted
 */
@SuppressWarnings("ArrayRecordComponent") // nobody changes it
record TextRequest(
    @Nullable String model, int[] prompt, GenerationOptions options, Reply.Manner manner) {
  private static final int DEFAULT_TOKENS = 16; // OpenAI's

  private static final Set<String> FIELDS =
      Set.of("prompt", "logprobs", "echo", "suffix", "best_of");

  static TextRequest of(ObjectNode body, Engine engine) {
    Fields fields = Fields.of(body);
    Common.check(fields, FIELDS);
    if (fields.has("suffix")) {
      throw ApiException.unsupported("suffix", "suffix is not supported");
    }
    if (fields.flag("echo")) {
      throw ApiException.unsupported("echo", "echo is not supported");
    }
    Integer bestOf = fields.integer("best_of", 1);
    Integer logprobs = fields.integer("logprobs", 0, GenerationOptions.MAX_TOP_LOGPROBS);
    Reply.Manner manner = Common.manner(fields, logprobs != null);
    if (bestOf != null && bestOf != manner.count()) {
      throw ApiException.unsupported("best_of", "best_of is not supported: use n");
    }
    GenerationOptions options = Common.options(fields, engine.defaultOptions());
    if (logprobs != null) {
      options = options.withTopLogprobs(logprobs);
      String _ = fields.taken("logprobs", () -> engine.decode(new int[0])); // or no tokenizer
    }
    if (!options.stop().isEmpty()) {
      int[] _ = fields.taken("stop", () -> engine.encode("")); // likewise
    }
    if (!fields.has("max_tokens") && !fields.has("max_completion_tokens")) {
      options = options.withMaxTokens(DEFAULT_TOKENS);
    }
    return new TextRequest(fields.text("model"), prompt(fields, engine), options, manner);
  }

  /** A text, or token ids; a list of one of them is that one. */
  private static int[] prompt(Fields fields, Engine engine) {
    JsonNode prompt = fields.node().path("prompt");
    if (prompt instanceof ArrayNode list && list.size() == 1 && !list.get(0).isNumber()) {
      prompt = list.get(0);
    }
    if (prompt.isTextual()) {
      String text = prompt.textValue();
      return fields.taken("prompt", () -> engine.encode(text));
    }
    if (!(prompt instanceof ArrayNode ids) || ids.isEmpty()) {
      throw fields.must("prompt", "be a string or a list of token ids", prompt);
    }
    int[] all = new int[ids.size()];
    for (int i = 0; i < all.length; i++) {
      if (!ids.get(i).isInt()) {
        throw fields.must("prompt", "be one string, or one list of token ids", ids.get(i));
      }
      all[i] = ids.get(i).intValue();
    }
    return all;
  }

  /** How the engine is asked. */
  Desk.Call call(Engine engine) {
    return (seed, cancellation, listener) -> {
      GenerationOptions asked = options.withCancellation(cancellation);
      return engine.generate(prompt, seed == null ? asked : asked.withSeed(seed), listener);
    };
  }
}
