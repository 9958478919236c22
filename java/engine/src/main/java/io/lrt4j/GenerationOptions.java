package io.lrt4j;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How tokens are chosen and when to stop; immutable. What is not set is taken from elsewhere: a
 * question's options go over those of the checkpoint, {@link Engine#defaultOptions()}, and these
 * over {@link #defaults()}. So unset is not greedy: many checkpoints ask to be sampled from.
 *
 * <p>Order of operations, as in transformers: repetition penalty, presence and frequency penalty,
 * temperature, top-k, top-p, min-p.
 *
 * <p>Every {@code with…} gives a changed copy; a value that is out of range is refused at once with
 * a {@link QuestionException}.
 */
public final class GenerationOptions {
  /** Most that {@link #topLogprobs} may ask for. */
  public static final int MAX_TOP_LOGPROBS = 20;

  /** Least of a {@link #repetitionPenalty}; less leaves no other token a chance anyway. */
  public static final float MIN_REPETITION_PENALTY = 0.01f;

  /** Most of a {@link #repetitionPenalty}. */
  public static final int MAX_REPETITION_PENALTY = 100;

  /**
   * Most of a {@link #presencePenalty} or {@link #frequencyPenalty}, on either side of 0: as good
   * as a ban.
   */
  public static final int MAX_PENALTY = 100;

  private static final GenerationOptions UNSET = new Builder().build();
  private static final GenerationOptions DEFAULTS =
      builder()
          .maxTokens(512)
          .budget(0)
          .thinkingBudget(0)
          .temperature(0f)
          .topK(0)
          .topP(1f)
          .minP(0f)
          .repetitionPenalty(1f)
          .presencePenalty(0f)
          .frequencyPenalty(0f)
          .topLogprobs(0)
          .stop(List.of())
          .ignoreEos(false)
          .answerCue("Final Answer: ")
          .build();

  private final Values values;

  /** What is set; null is unset. */
  private record Values(
      @Nullable Integer maxTokens,
      @Nullable Integer budget,
      @Nullable Integer thinkingBudget,
      @Nullable Float temperature,
      @Nullable Integer topK,
      @Nullable Float topP,
      @Nullable Float minP,
      @Nullable Float repetitionPenalty,
      @Nullable Float presencePenalty,
      @Nullable Float frequencyPenalty,
      @Nullable Integer topLogprobs,
      @Nullable String jsonSchema,
      @Nullable Long seed,
      @Nullable List<String> stop,
      @Nullable Boolean ignoreEos,
      @Nullable String answerCue,
      @Nullable Cancellation cancellation,
      @Nullable Duration timeout) {
    private Values {
      require(maxTokens == null || maxTokens >= 1, "max tokens", "at least 1", maxTokens);
      require(
          budget == null || budget == 0 || budget >= 2,
          "thinking budget",
          "0 or at least 2",
          budget);
      require(
          thinkingBudget == null || thinkingBudget >= 0,
          "tokens for thinking",
          "0 (shared with the answer) or more",
          thinkingBudget);
      require(
          temperature == null || (temperature >= 0 && temperature < Float.POSITIVE_INFINITY),
          "temperature",
          "0 or more",
          temperature);
      require(topK == null || topK >= 0, "top-k", "0 (all) or more", topK);
      require(topP == null || (topP > 0 && topP <= 1), "top-p", "above 0 and at most 1", topP);
      require(minP == null || (minP >= 0 && minP <= 1), "min-p", "0 to 1", minP);
      require(
          repetitionPenalty == null
              || (repetitionPenalty >= MIN_REPETITION_PENALTY
                  && repetitionPenalty <= MAX_REPETITION_PENALTY),
          "repetition penalty",
          MIN_REPETITION_PENALTY + " to " + MAX_REPETITION_PENALTY,
          repetitionPenalty);
      requirePenalty(presencePenalty, "presence penalty");
      requirePenalty(frequencyPenalty, "frequency penalty");
      require(
          topLogprobs == null || (topLogprobs >= 0 && topLogprobs <= MAX_TOP_LOGPROBS),
          "top log-probabilities",
          "0 (none) to " + MAX_TOP_LOGPROBS,
          topLogprobs);
      if (stop != null) {
        require(stop.stream().noneMatch(Objects::isNull), "stop text", "text", null);
        stop = List.copyOf(stop);
        for (String text : stop) {
          require(!text.isEmpty(), "stop text", "not empty", "\"\"");
          require(isUnicode(text), "stop text", "Unicode", "half a surrogate pair");
        }
      }
      require(
          timeout == null || !(timeout.isNegative() || timeout.isZero()),
          "timeout",
          "above 0",
          timeout);
      require(
          answerCue == null || isUnicode(answerCue),
          "answer cue",
          "Unicode",
          "half a surrogate pair");
    }
  }

  private static boolean isUnicode(String text) {
    return StandardCharsets.UTF_8.newEncoder().canEncode(text);
  }

  private static void requirePenalty(@Nullable Float penalty, String what) {
    require(
        penalty == null || Math.abs(penalty) <= MAX_PENALTY,
        what,
        -MAX_PENALTY + " to " + MAX_PENALTY,
        penalty);
  }

  private static void require(boolean holds, String what, String expected, @Nullable Object found) {
    if (!holds) {
      throw new QuestionException(what + " must be " + expected + ", found " + found);
    }
  }

  private GenerationOptions(Values values) {
    this.values = values;
  }

  /** Nothing set. */
  public static GenerationOptions unset() {
    return UNSET;
  }

  /** Everything set, whatever a checkpoint says: greedy, 512 tokens. */
  public static GenerationOptions defaults() {
    return DEFAULTS;
  }

  /** Sets options; what it is not told, or told null, stays unset. */
  public static Builder builder() {
    return new Builder();
  }

  /** Changes these options. */
  public Builder toBuilder() {
    return new Builder().over(values);
  }

  /** These options, and where they are unset those of {@code others}. */
  public GenerationOptions over(GenerationOptions others) {
    Objects.requireNonNull(others, "others");
    Builder builder = new Builder().over(others.values);
    return builder.over(values).build();
  }

  /**
   * Most tokens to generate, at least 1. In explicit mode the thinking counts among them, unless
   * {@link #thinkingBudget} gives it tokens of its own.
   */
  public int maxTokens() {
    return set(values.maxTokens, DEFAULTS.values.maxTokens);
  }

  /**
   * Explicit mode: tokens for thinking and answer together (budget forcing, s1), in place of {@link
   * #maxTokens}; 0 is none.
   */
  public int budget() {
    return set(values.budget, DEFAULTS.values.budget);
  }

  /**
   * Explicit mode: most tokens of thinking, after which the block is closed for the model; {@link
   * #maxTokens} is then for the answer alone. 0 lets both share.
   */
  public int thinkingBudget() {
    return set(values.thinkingBudget, DEFAULTS.values.thinkingBudget);
  }

  /** 0 is greedy. */
  public float temperature() {
    return set(values.temperature, DEFAULTS.values.temperature);
  }

  /** Only the k most probable tokens; 0 keeps all. */
  public int topK() {
    return set(values.topK, DEFAULTS.values.topK);
  }

  /**
   * Only the smallest set of most probable tokens with at least this mass (nucleus sampling,
   * Holtzman et al. 2020); 1 keeps all.
   */
  public float topP() {
    return set(values.topP, DEFAULTS.values.topP);
  }

  /**
   * Only tokens with at least this fraction of the largest probability (Nguyen et al. 2024); 0
   * keeps all.
   */
  public float minP() {
    return set(values.minP, DEFAULTS.values.minP);
  }

  /**
   * Divides positive and multiplies negative logits of tokens already in the sequence (CTRL, Keskar
   * et al. 2019); 1 is none.
   */
  public float repetitionPenalty() {
    return set(values.repetitionPenalty, DEFAULTS.values.repetitionPenalty);
  }

  /**
   * Subtracted from the logits of tokens that the answer (thinking included) has already, as in
   * OpenAI's API; 0 is none, less than 0 favours them.
   */
  public float presencePenalty() {
    return set(values.presencePenalty, DEFAULTS.values.presencePenalty);
  }

  /** The same, once for each time that the answer has the token. */
  public float frequencyPenalty() {
    return set(values.frequencyPenalty, DEFAULTS.values.frequencyPenalty);
  }

  /**
   * How many of the most probable tokens a listener is told of beside each that is written, {@link
   * Token#alternatives}, and {@link Scores#alternatives} has in each place; 0 is none, and costs
   * nothing.
   */
  public int topLogprobs() {
    return set(values.topLogprobs, DEFAULTS.values.topLogprobs);
  }

  /**
   * A JSON Schema that the answer (not the thinking) is held to: only what goes on with a value of
   * its form can be written, and once that is whole the answer ends. Null is none. Understood of
   * JSON Schema (2020-12) are {@code type}, {@code properties}, {@code required}, {@code
   * additionalProperties}, {@code propertyNames} (any strings, or an enum), {@code items}, {@code
   * prefixItems}, {@code minItems}, {@code maxItems}, {@code minLength}, {@code maxLength}, {@code
   * pattern} (without assertions inside of it), {@code minimum}, {@code maximum}, {@code
   * exclusiveMinimum} and {@code exclusiveMaximum} (whole ones, of numbers), {@code enum}, {@code
   * const}, {@code anyOf}, {@code oneOf} of what excludes each other, {@code allOf} of one, {@code
   * $ref} within the schema, and what only describes, {@code format} included; a {@link
   * QuestionException} refuses other keywords by name. An answer that reaches its limit of tokens
   * may be no whole value. A question with {@link Question#tools} is answered by such a value or by
   * calls of tools that it offers, of which those that are not strict take any arguments; there is
   * no text beside them. It says nothing if the {@link ToolChoice} requires a call.
   */
  public @Nullable String jsonSchema() {
    return values.jsonSchema;
  }

  /**
   * Of the counter-based generator: same seed, same backend, same tokens. Null draws one for every
   * call, and {@link Answer#seed()} says which.
   */
  public @Nullable Long seed() {
    return values.seed;
  }

  /**
   * Texts that end the answer, searched in all that was generated, special tokens included; they
   * are not part of it.
   */
  public List<String> stop() {
    return set(values.stop, DEFAULTS.values.stop);
  }

  /** Go on after an end-of-sequence token, for benchmarks. */
  public boolean ignoreEos() {
    return set(values.ignoreEos, DEFAULTS.values.ignoreEos);
  }

  /** Text given to the model after a thinking block that had to be closed; "" gives none. */
  public String answerCue() {
    return set(values.answerCue, DEFAULTS.values.answerCue);
  }

  /** A switch that ends the answer, or null. */
  public @Nullable Cancellation cancellation() {
    return values.cancellation;
  }

  /**
   * How long the answer may take, from the call on; then it ends with what there is of it, and
   * {@link FinishReason#TIMEOUT}. Null is as long as it takes.
   */
  public @Nullable Duration timeout() {
    return values.timeout;
  }

  /** A value, or where it is unset the default, which never is. */
  private static <T> T set(@Nullable T value, @Nullable T orElse) {
    return value != null ? value : Objects.requireNonNull(orElse);
  }

  public GenerationOptions withMaxTokens(int maxTokens) {
    return toBuilder().maxTokens(maxTokens).build();
  }

  public GenerationOptions withBudget(int budget) {
    return toBuilder().budget(budget).build();
  }

  public GenerationOptions withThinkingBudget(int thinkingBudget) {
    return toBuilder().thinkingBudget(thinkingBudget).build();
  }

  public GenerationOptions withTemperature(float temperature) {
    return toBuilder().temperature(temperature).build();
  }

  public GenerationOptions withTopK(int topK) {
    return toBuilder().topK(topK).build();
  }

  public GenerationOptions withTopP(float topP) {
    return toBuilder().topP(topP).build();
  }

  public GenerationOptions withMinP(float minP) {
    return toBuilder().minP(minP).build();
  }

  public GenerationOptions withRepetitionPenalty(float repetitionPenalty) {
    return toBuilder().repetitionPenalty(repetitionPenalty).build();
  }

  public GenerationOptions withPresencePenalty(float presencePenalty) {
    return toBuilder().presencePenalty(presencePenalty).build();
  }

  public GenerationOptions withFrequencyPenalty(float frequencyPenalty) {
    return toBuilder().frequencyPenalty(frequencyPenalty).build();
  }

  public GenerationOptions withTopLogprobs(int topLogprobs) {
    return toBuilder().topLogprobs(topLogprobs).build();
  }

  public GenerationOptions withJsonSchema(@Nullable String jsonSchema) {
    return toBuilder().jsonSchema(jsonSchema).build();
  }

  public GenerationOptions withSeed(long seed) {
    return toBuilder().seed(seed).build();
  }

  public GenerationOptions withStop(List<String> stop) {
    require(stop != null, "stop text", "text", null);
    return toBuilder().stop(stop).build();
  }

  public GenerationOptions withIgnoreEos(boolean ignoreEos) {
    return toBuilder().ignoreEos(ignoreEos).build();
  }

  public GenerationOptions withAnswerCue(String answerCue) {
    require(answerCue != null, "answer cue", "text, \"\" for none", null);
    return toBuilder().answerCue(answerCue).build();
  }

  public GenerationOptions withCancellation(@Nullable Cancellation cancellation) {
    return toBuilder().cancellation(cancellation).build();
  }

  public GenerationOptions withTimeout(@Nullable Duration timeout) {
    return toBuilder().timeout(timeout).build();
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof GenerationOptions options && values.equals(options.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  @Override
  public String toString() {
    return "GenerationOptions" + values.toString().substring(Values.class.getSimpleName().length());
  }

  /**
   * Makes options. A value that is out of range is refused by {@link #build} with a {@link
   * QuestionException}; null is unset.
   */
  public static final class Builder {
    private @Nullable Integer maxTokens;
    private @Nullable Integer budget;
    private @Nullable Integer thinkingBudget;
    private @Nullable Float temperature;
    private @Nullable Integer topK;
    private @Nullable Float topP;
    private @Nullable Float minP;
    private @Nullable Float repetitionPenalty;
    private @Nullable Float presencePenalty;
    private @Nullable Float frequencyPenalty;
    private @Nullable Integer topLogprobs;
    private @Nullable String jsonSchema;
    private @Nullable Long seed;
    private @Nullable List<String> stop;
    private @Nullable Boolean ignoreEos;
    private @Nullable String answerCue;
    private @Nullable Cancellation cancellation;
    private @Nullable Duration timeout;

    private Builder() {}

    /** Takes what is set, and keeps its own where nothing is. */
    private Builder over(Values v) {
      maxTokens = v.maxTokens != null ? v.maxTokens : maxTokens;
      budget = v.budget != null ? v.budget : budget;
      thinkingBudget = v.thinkingBudget != null ? v.thinkingBudget : thinkingBudget;
      temperature = v.temperature != null ? v.temperature : temperature;
      topK = v.topK != null ? v.topK : topK;
      topP = v.topP != null ? v.topP : topP;
      minP = v.minP != null ? v.minP : minP;
      repetitionPenalty = v.repetitionPenalty != null ? v.repetitionPenalty : repetitionPenalty;
      presencePenalty = v.presencePenalty != null ? v.presencePenalty : presencePenalty;
      frequencyPenalty = v.frequencyPenalty != null ? v.frequencyPenalty : frequencyPenalty;
      topLogprobs = v.topLogprobs != null ? v.topLogprobs : topLogprobs;
      jsonSchema = v.jsonSchema != null ? v.jsonSchema : jsonSchema;
      seed = v.seed != null ? v.seed : seed;
      stop = v.stop != null ? v.stop : stop;
      ignoreEos = v.ignoreEos != null ? v.ignoreEos : ignoreEos;
      answerCue = v.answerCue != null ? v.answerCue : answerCue;
      cancellation = v.cancellation != null ? v.cancellation : cancellation;
      timeout = v.timeout != null ? v.timeout : timeout;
      return this;
    }

    /** See {@link GenerationOptions#maxTokens}. */
    public Builder maxTokens(@Nullable Integer maxTokens) {
      this.maxTokens = maxTokens;
      return this;
    }

    /** See {@link GenerationOptions#budget}. */
    public Builder budget(@Nullable Integer budget) {
      this.budget = budget;
      return this;
    }

    /** See {@link GenerationOptions#thinkingBudget}. */
    public Builder thinkingBudget(@Nullable Integer thinkingBudget) {
      this.thinkingBudget = thinkingBudget;
      return this;
    }

    /** See {@link GenerationOptions#temperature}. */
    public Builder temperature(@Nullable Float temperature) {
      this.temperature = temperature;
      return this;
    }

    /** See {@link GenerationOptions#topK}. */
    public Builder topK(@Nullable Integer topK) {
      this.topK = topK;
      return this;
    }

    /** See {@link GenerationOptions#topP}. */
    public Builder topP(@Nullable Float topP) {
      this.topP = topP;
      return this;
    }

    /** See {@link GenerationOptions#minP}. */
    public Builder minP(@Nullable Float minP) {
      this.minP = minP;
      return this;
    }

    /** See {@link GenerationOptions#repetitionPenalty}. */
    public Builder repetitionPenalty(@Nullable Float repetitionPenalty) {
      this.repetitionPenalty = repetitionPenalty;
      return this;
    }

    /** See {@link GenerationOptions#presencePenalty}. */
    public Builder presencePenalty(@Nullable Float presencePenalty) {
      this.presencePenalty = presencePenalty;
      return this;
    }

    /** See {@link GenerationOptions#frequencyPenalty}. */
    public Builder frequencyPenalty(@Nullable Float frequencyPenalty) {
      this.frequencyPenalty = frequencyPenalty;
      return this;
    }

    /** See {@link GenerationOptions#topLogprobs}. */
    public Builder topLogprobs(@Nullable Integer topLogprobs) {
      this.topLogprobs = topLogprobs;
      return this;
    }

    /** See {@link GenerationOptions#jsonSchema}. */
    public Builder jsonSchema(@Nullable String jsonSchema) {
      this.jsonSchema = jsonSchema;
      return this;
    }

    /** See {@link GenerationOptions#seed}. */
    public Builder seed(@Nullable Long seed) {
      this.seed = seed;
      return this;
    }

    /** See {@link GenerationOptions#stop}. */
    public Builder stop(@Nullable List<String> stop) {
      this.stop = stop;
      return this;
    }

    /** See {@link GenerationOptions#ignoreEos}. */
    public Builder ignoreEos(@Nullable Boolean ignoreEos) {
      this.ignoreEos = ignoreEos;
      return this;
    }

    /** See {@link GenerationOptions#answerCue}. */
    public Builder answerCue(@Nullable String answerCue) {
      this.answerCue = answerCue;
      return this;
    }

    /** See {@link GenerationOptions#cancellation}. */
    public Builder cancellation(@Nullable Cancellation cancellation) {
      this.cancellation = cancellation;
      return this;
    }

    /** See {@link GenerationOptions#timeout}. */
    public Builder timeout(@Nullable Duration timeout) {
      this.timeout = timeout;
      return this;
    }

    /** The options as set so far. */
    public GenerationOptions build() {
      return new GenerationOptions(
          new Values(
              maxTokens,
              budget,
              thinkingBudget,
              temperature,
              topK,
              topP,
              minP,
              repetitionPenalty,
              presencePenalty,
              frequencyPenalty,
              topLogprobs,
              jsonSchema,
              seed,
              stop,
              ignoreEos,
              answerCue,
              cancellation,
              timeout));
    }
  }
}
