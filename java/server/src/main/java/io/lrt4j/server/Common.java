package io.lrt4j.server;

import io.lrt4j.GenerationOptions;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What requests to both endpoints have in common. */
final class Common {
  private static final int MAX_CHOICES = 128; // OpenAI's own limit
  private static final int MAX_STOPS = 16;

  private static final Set<String> FIELDS =
      Set.of(
          "model",
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
          "presence_penalty",
          "frequency_penalty");

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
          "verbosity");

  private Common() {}

  /** Refuses what is not run here by name, and then what nobody knows. */
  static void check(Fields fields, Set<String> more) {
    Refusals.check(fields);
    Set<String> known = new HashSet<>(FIELDS);
    known.addAll(IGNORED);
    known.addAll(Refusals.NEUTRAL);
    known.addAll(more);
    fields.only(known);
  }

  /** How answers are wanted. */
  static Reply.Manner manner(Fields fields, boolean logprobs) {
    Integer count = fields.integer("n", 1, MAX_CHOICES);
    boolean stream = fields.flag("stream");
    Fields streamOptions = fields.object("stream_options");
    if (streamOptions != null) {
      streamOptions.only(Set.of("include_usage", "include_obfuscation"));
      if (!stream) {
        throw ApiException.invalid(
            "stream_options", "stream_options is only allowed when stream is true");
      }
    }
    boolean includeUsage = streamOptions != null && streamOptions.flag("include_usage");
    return new Reply.Manner(1, count == null ? 1 : count, stream, includeUsage, logprobs);
  }

  /** Most tokens to write, {@code least} at least; null if it is not said. */
  static @Nullable Integer maxTokens(Fields fields, int least) {
    Integer maxTokens = fields.integer("max_completion_tokens", least);
    return maxTokens != null ? maxTokens : fields.integer("max_tokens", least);
  }

  /** Sampling and limits, over {@code defaults}; of tokens that are written, if any are. */
  static GenerationOptions options(
      Fields fields, @Nullable Integer maxTokens, GenerationOptions defaults) {
    GenerationOptions options = defaults;
    if (maxTokens != null && maxTokens > 0) {
      options = options.withMaxTokens(maxTokens);
    }
    Float temperature = fields.number("temperature", 0, 2);
    if (temperature != null) {
      options = options.withTemperature(temperature);
    }
    Float topP = fields.number("top_p", 0, 1);
    if (topP != null) {
      if (topP == 0) {
        throw fields.must("top_p", "be above 0 and at most 1", fields.node().path("top_p"));
      }
      options = options.withTopP(topP);
    }
    Integer topK = fields.integer("top_k", -1); // vLLM's for all of them
    if (topK != null) {
      options = options.withTopK(Math.max(0, topK));
    }
    Float minP = fields.number("min_p", 0, 1);
    if (minP != null) {
      options = options.withMinP(minP);
    }
    Float repetitionPenalty =
        fields.number(
            "repetition_penalty",
            GenerationOptions.MIN_REPETITION_PENALTY,
            GenerationOptions.MAX_REPETITION_PENALTY);
    if (repetitionPenalty != null) {
      options = options.withRepetitionPenalty(repetitionPenalty);
    }
    Float presencePenalty = fields.number("presence_penalty", -2, 2);
    if (presencePenalty != null) {
      options = options.withPresencePenalty(presencePenalty);
    }
    Float frequencyPenalty = fields.number("frequency_penalty", -2, 2);
    if (frequencyPenalty != null) {
      options = options.withFrequencyPenalty(frequencyPenalty);
    }
    Long seed = fields.longInteger("seed");
    if (seed != null) {
      options = options.withSeed(seed);
    }
    List<String> stop = fields.texts("stop", MAX_STOPS);
    GenerationOptions all = options;
    return stop.isEmpty() ? all : fields.taken("stop", () -> all.withStop(stop));
  }
}
