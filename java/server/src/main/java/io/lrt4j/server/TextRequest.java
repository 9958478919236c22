package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A request to {@code /v1/completions}, checked.
 *
 * @param model that is asked for, or null
 * @param prompts token ids of each
 * @param options how to go on
 * @param manner how answers are wanted
 */
record TextRequest(
    @Nullable String model, List<int[]> prompts, GenerationOptions options, Reply.Manner manner) {
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
    if (bestOf != null && bestOf != manner.each()) {
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
    List<int[]> prompts = prompts(fields, engine);
    return new TextRequest(fields.text("model"), prompts, options, manner.to(prompts.size()));
  }

  /** A text or token ids, or a list of these. */
  private static List<int[]> prompts(Fields fields, Engine engine) {
    JsonNode prompt = fields.node().path("prompt");
    boolean list = prompt.isArray() && !prompt.path(0).isNumber();
    if (!list) {
      return List.of(prompt(fields, prompt, engine));
    }
    List<int[]> prompts = new ArrayList<>();
    for (JsonNode one : prompt) {
      prompts.add(prompt(fields, one, engine));
    }
    if (prompts.isEmpty()) {
      throw mustBePrompt(fields, prompt);
    }
    return prompts;
  }

  private static int[] prompt(Fields fields, JsonNode prompt, Engine engine) {
    if (prompt.isTextual()) {
      String text = prompt.textValue();
      return fields.taken("prompt", () -> engine.encode(text));
    }
    if (!(prompt instanceof ArrayNode ids) || ids.isEmpty()) {
      throw mustBePrompt(fields, prompt);
    }
    int[] all = new int[ids.size()];
    for (int i = 0; i < all.length; i++) {
      if (!ids.get(i).isInt()) {
        throw mustBePrompt(fields, ids.get(i));
      }
      all[i] = ids.get(i).intValue();
    }
    return all;
  }

  private static ApiException mustBePrompt(Fields fields, JsonNode found) {
    return fields.must(
        "prompt", "be a string, a list of token ids, or a list of strings or of such lists", found);
  }

  /** The field that says how many answers there are. */
  String countField() {
    return prompts.size() > 1 ? "prompt" : "n";
  }

  /** How the engine is asked: for answer i to a prompt with seed + i, if there is one. */
  Desk.Call call(Engine engine) {
    Long seed = options.seed();
    int each = manner.each();
    return (index, cancellation, listener) -> {
      GenerationOptions asked = options.withCancellation(cancellation);
      return engine.generate(
          prompts.get(index / each),
          seed == null ? asked : asked.withSeed(seed + index % each),
          listener);
    };
  }
}
