package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Scores;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A request to {@code /v1/completions}, checked.
 *
 * @param model that is asked for, or null
 * @param prompts to go on with
 * @param echo whether their texts come with what follows
 * @param options how to go on
 * @param writes whether anything is to follow
 * @param manner how answers are wanted
 */
record TextRequest(
    @Nullable String model,
    List<Prompt> prompts,
    boolean echo,
    GenerationOptions options,
    boolean writes,
    Reply.Manner manner) {
  private static final int DEFAULT_TOKENS = 16; // OpenAI's

  /** A prompt; its text is "" if nobody needs it. */
  @SuppressWarnings("ArrayRecordComponent") // nobody changes it
  record Prompt(int[] ids, String text) {}

  private static final Set<String> FIELDS =
      Set.of("prompt", "logprobs", "echo", "suffix", "best_of");

  static TextRequest of(ObjectNode body, Engine engine) {
    Fields fields = Fields.of(body);
    Common.check(fields, FIELDS);
    if (fields.has("suffix")) {
      throw ApiException.unsupported("suffix", "suffix is not supported");
    }
    boolean echo = fields.flag("echo");
    Integer bestOf = fields.integer("best_of", 1);
    Integer logprobs = fields.integer("logprobs", 0, GenerationOptions.MAX_TOP_LOGPROBS);
    Reply.Manner manner = Common.manner(fields, logprobs != null);
    if (bestOf != null && bestOf != manner.each()) {
      throw ApiException.unsupported("best_of", "best_of is not supported: use n");
    }
    if (echo && manner.stream() && manner.logprobs()) {
      throw ApiException.unsupported("stream", "echo with logprobs cannot be streamed");
    }
    Integer maxTokens = Common.maxTokens(fields, echo ? 0 : 1);
    GenerationOptions options = Common.options(fields, maxTokens, engine.defaultOptions());
    if (logprobs != null) {
      options = options.withTopLogprobs(logprobs);
      String _ = fields.taken("logprobs", () -> engine.decode(new int[0])); // or no tokenizer
    }
    if (!options.stop().isEmpty()) {
      int[] _ = fields.taken("stop", () -> engine.encode("")); // likewise
    }
    if (maxTokens == null) {
      options = options.withMaxTokens(DEFAULT_TOKENS);
    }
    List<Prompt> prompts = prompts(fields, echo, engine);
    return new TextRequest(
        fields.text("model"),
        prompts,
        echo,
        options,
        maxTokens == null || maxTokens > 0,
        manner.to(prompts.size()));
  }

  /** A text or token ids, or a list of these. */
  private static List<Prompt> prompts(Fields fields, boolean echo, Engine engine) {
    JsonNode prompt = fields.node().path("prompt");
    boolean list = prompt.isArray() && !prompt.path(0).isNumber();
    if (!list) {
      return List.of(prompt(fields, prompt, echo, engine));
    }
    List<Prompt> prompts = new ArrayList<>();
    for (JsonNode one : prompt) {
      prompts.add(prompt(fields, one, echo, engine));
    }
    if (prompts.isEmpty()) {
      throw mustBePrompt(fields, prompt);
    }
    return prompts;
  }

  private static Prompt prompt(Fields fields, JsonNode prompt, boolean echo, Engine engine) {
    if (prompt.isTextual()) {
      String text = prompt.textValue();
      int[] encoded = fields.taken("prompt", () -> engine.encode(text));
      if (encoded.length == 0) {
        throw ApiException.invalid("prompt", "a prompt needs at least one token, found none");
      }
      return new Prompt(encoded, text);
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
    return new Prompt(all, echo ? fields.taken("prompt", () -> engine.decode(all)) : "");
  }

  private static ApiException mustBePrompt(Fields fields, JsonNode found) {
    return fields.must(
        "prompt", "be a string, a list of token ids, or a list of strings or of such lists", found);
  }

  /** The field that says how many answers there are. */
  String countField() {
    return prompts.size() > 1 ? "prompt" : "n";
  }

  /**
   * How the engine is asked: for answer i to a prompt with seed + i, if there is one.
   *
   * @param scores of the prompts, to be filled if they are wanted
   */
  Desk.Call call(Engine engine, @Nullable Scores[] scores) {
    Long seed = options.seed();
    int each = manner.each();
    return (index, cancellation, listener) -> {
      GenerationOptions asked = options.withCancellation(cancellation);
      int[] prompt = prompts.get(index / each).ids;
      boolean scored = echo && manner.logprobs() && index % each == 0;
      if (scored) {
        scores[index / each] = engine.score(prompt, asked);
      }
      if (!writes) {
        return nothing(prompt.length);
      }
      Answer answer =
          engine.generate(
              prompt, seed == null ? asked : asked.withSeed(seed + index % each), listener);
      return scored ? uncached(answer) : answer;
    };
  }

  /** Nothing of a prompt was cached that has been read for its scores, all of it, just before. */
  private static Answer uncached(Answer a) {
    Answer.TokenCounts tokens = a.tokens();
    return new Answer(
        a.text(),
        a.reasoning(),
        a.mode(),
        a.finishReason(),
        new Answer.TokenCounts(
            tokens.prompt(), tokens.latent(), tokens.reasoning(), tokens.answer()),
        a.ids(),
        a.logprobs(),
        a.confidence(),
        a.seed(),
        a.timings(),
        a.toolCalls());
  }

  /** The answer that nothing follows. */
  private static Answer nothing(int promptTokens) {
    return new Answer(
        "",
        "",
        Mode.DIRECT,
        FinishReason.LENGTH,
        new Answer.TokenCounts(promptTokens, 0, 0, 0),
        List.of(),
        List.of(),
        new Answer.Confidence(Double.NaN, Double.NaN),
        null,
        new Answer.Timings(0, 0, 0, 0, 0, 0));
  }
}
