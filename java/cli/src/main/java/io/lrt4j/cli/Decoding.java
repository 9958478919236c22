package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Cancellation;
import io.lrt4j.GenerationOptions;
import io.lrt4j.checkpoint.ModelFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/**
 * The options that say how tokens are chosen and when to stop; null where one is not given. Checked
 * before a model is loaded.
 */
record Decoding(
    int maxTokens,
    int budget,
    @Nullable Integer thinkingBudget,
    boolean ignoreEos,
    @Nullable Float temperature,
    @Nullable Float topP,
    @Nullable Integer topK,
    @Nullable Float minP,
    @Nullable Float repetitionPenalty,
    @Nullable Float presencePenalty,
    @Nullable Float frequencyPenalty,
    @Nullable String jsonSchema,
    @Nullable Long seed,
    List<String> stop) {

  private static final String TAKEN =
      """
      sampling. What those and --repetition-penalty leave open is taken from the checkpoint's
      generation_config.json, and where that says nothing from transformers (top-k 50).
      """;

  static final String NOTES =
      "Decoding is greedy unless --temperature, --top-p, --top-k or --min-p asks for\n" + TAKEN;

  /** The same of commands that take {@code --samples}. */
  static final String NOTES_WITH_SAMPLES =
      "Decoding is greedy unless --temperature, --top-p, --top-k, --min-p or --samples asks for\n"
          + TAKEN;

  static Options options() {
    return new Options()
        .addOption(valued("max-tokens", "N", "most tokens to generate (default: 512)"))
        .addOption(valued("budget", "N", "explicit mode: tokens for thinking and answer together"))
        .addOption(
            valued(
                "thinking-budget",
                "N",
                "explicit mode: most tokens of thinking; --max-tokens is then for the answer"
                    + " alone"))
        .addOption(flag("ignore-eos", "go on after the end-of-sequence token"))
        .addOption(valued("temperature", "T", "0 is greedy"))
        .addOption(valued("top-p", "P", "sample from the most probable tokens with this mass"))
        .addOption(valued("top-k", "K", "sample from the K most probable tokens; 0 is all"))
        .addOption(
            valued("min-p", "P", "drop tokens below this fraction of the best one's probability"))
        .addOption(valued("repetition-penalty", "R", "1 is none; counts in greedy decoding too"))
        .addOption(
            valued("presence-penalty", "R", "taken off the logits of tokens already written"))
        .addOption(valued("frequency-penalty", "R", "the same, once for each time"))
        .addOption(valued("json-schema", "FILE", "hold the answer to a JSON Schema"))
        .addOption(valued("seed", "N", "same seed, same tokens (default: one is drawn, and told)"))
        .addOption(valued("stop", "TEXT", "end before this text; may be repeated"));
  }

  static Decoding of(Arguments arguments) {
    int budget = arguments.integer("budget", 0, 2, Integer.MAX_VALUE);
    List<String> stop = arguments.texts("stop");
    if (stop.contains("")) {
      throw new UsageException("--stop must not be empty");
    }
    return new Decoding(
        arguments.integer("max-tokens", Math.max(512, budget), 1, Integer.MAX_VALUE),
        budget,
        arguments.has("thinking-budget")
            ? arguments.integer("thinking-budget", 1, 1, Integer.MAX_VALUE)
            : null,
        arguments.has("ignore-eos"),
        arguments.number("temperature", t -> t >= 0, "0 (greedy) or more"),
        arguments.number("top-p", p -> p > 0 && p <= 1, "above 0 and at most 1"),
        arguments.has("top-k") ? arguments.integer("top-k", 0, 0, Integer.MAX_VALUE) : null,
        arguments.number("min-p", p -> p >= 0 && p <= 1, "from 0 to 1"),
        arguments.number(
            "repetition-penalty",
            r ->
                r >= GenerationOptions.MIN_REPETITION_PENALTY
                    && r <= GenerationOptions.MAX_REPETITION_PENALTY,
            "from "
                + GenerationOptions.MIN_REPETITION_PENALTY
                + " to "
                + GenerationOptions.MAX_REPETITION_PENALTY),
        penalty(arguments, "presence-penalty"),
        penalty(arguments, "frequency-penalty"),
        schema(arguments.text("json-schema")),
        arguments.has("seed")
            ? arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE)
            : null,
        stop);
  }

  private static @Nullable Float penalty(Arguments arguments, String option) {
    int most = GenerationOptions.MAX_PENALTY;
    return arguments.number(option, r -> Math.abs(r) <= most, "from " + -most + " to " + most);
  }

  private static @Nullable String schema(@Nullable String file) {
    try {
      return file == null ? null : Files.readString(Path.of(file));
    } catch (IOException e) {
      throw new FailureException(
          "--json-schema " + file + " cannot be read as text: " + ModelFiles.cause(e));
    }
  }

  /** Whether to sample: an option asks for it, or several answers are wanted. */
  boolean sampling(int samples) {
    return temperature != null
        ? temperature > 0
        : samples > 1 || topP != null || topK != null || minP != null;
  }

  /**
   * The options as the engine takes them.
   *
   * @param checkpoint the checkpoint's own, in force where nothing is given
   * @param sampling whether to sample
   */
  GenerationOptions over(
      GenerationOptions checkpoint, boolean sampling, Cancellation cancellation) {
    Float warmth = checkpoint.temperature() > 0 ? checkpoint.temperature() : 1;
    GenerationOptions given =
        GenerationOptions.builder()
            .maxTokens(maxTokens)
            .budget(budget)
            .thinkingBudget(thinkingBudget)
            .ignoreEos(ignoreEos)
            .temperature(!sampling ? Float.valueOf(0) : temperature == null ? warmth : temperature)
            .topP(topP)
            .topK(topK)
            .minP(minP)
            .repetitionPenalty(repetitionPenalty)
            .presencePenalty(presencePenalty)
            .frequencyPenalty(frequencyPenalty)
            .jsonSchema(jsonSchema)
            .seed(seed)
            .stop(stop)
            .cancellation(cancellation)
            .build();
    return given.over(checkpoint);
  }
}
