package io.lrt4j;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How tokens are chosen and when to stop. {@link #defaults()} is greedy; {@link
 * Engine#defaultOptions()} is what the checkpoint says. Every {@code with…} returns a changed copy
 * and refuses a value out of range with a {@link QuestionException}.
 *
 * <p>Order of operations, as in transformers: repetition penalty, temperature, top-k, top-p, min-p.
 *
 * @param maxTokens most tokens to generate, thinking included; at least 1
 * @param budget explicit mode: tokens for thinking and answer together (budget forcing, s1),
 *     instead of {@code maxTokens}; 0 takes {@code maxTokens}
 * @param temperature 0 is greedy
 * @param topK only the k most probable tokens; 0 keeps all
 * @param topP only the smallest set of most probable tokens with at least this mass; 1 keeps all
 * @param minP only tokens with at least this fraction of the largest probability; 0 keeps all
 * @param repetitionPenalty divides positive and multiplies negative logits of tokens already in the
 *     sequence; 1 is none
 * @param seed of the counter-based generator: same seed, same backend, same tokens. Null draws one
 *     for every call, and {@link Answer#seed()} says which
 * @param stop texts that end the answer, searched in all that was generated, special tokens
 *     included; they are not part of it
 * @param ignoreEos go on after an end-of-sequence token, for benchmarks
 * @param answerCue text given to the model after a thinking block that budget forcing had to close;
 *     "" gives none
 * @param cancellation a switch that ends the answer, or null
 */
public record GenerationOptions(
    int maxTokens,
    int budget,
    float temperature,
    int topK,
    float topP,
    float minP,
    float repetitionPenalty,
    @Nullable Long seed,
    List<String> stop,
    boolean ignoreEos,
    String answerCue,
    @Nullable Cancellation cancellation) {

  private static final GenerationOptions DEFAULTS =
      new GenerationOptions(512, 0, 0, 0, 1, 0, 1, null, List.of(), false, "Final Answer: ", null);

  public GenerationOptions {
    require(maxTokens >= 1, "max tokens", "at least 1", maxTokens);
    require(budget == 0 || budget >= 2, "thinking budget", "0 or at least 2", budget);
    require(
        temperature >= 0 && temperature < Float.POSITIVE_INFINITY,
        "temperature",
        "0 or more",
        temperature);
    require(topK >= 0, "top-k", "0 (all) or more", topK);
    require(topP > 0 && topP <= 1, "top-p", "above 0 and at most 1", topP);
    require(minP >= 0 && minP <= 1, "min-p", "0 to 1", minP);
    require(
        repetitionPenalty > 0 && repetitionPenalty < Float.POSITIVE_INFINITY,
        "repetition penalty",
        "above 0",
        repetitionPenalty);
    require(stop != null && stop.stream().noneMatch(Objects::isNull), "stop text", "text", null);
    stop = List.copyOf(stop);
    for (String text : stop) {
      require(!text.isEmpty(), "stop text", "not empty", "\"\"");
      require(isUnicode(text), "stop text", "Unicode", "half a surrogate pair");
    }
    require(answerCue != null, "answer cue", "text, \"\" for none", null);
    require(isUnicode(answerCue), "answer cue", "Unicode", "half a surrogate pair");
  }

  private static boolean isUnicode(String text) {
    return StandardCharsets.UTF_8.newEncoder().canEncode(text);
  }

  private static void require(boolean holds, String what, String expected, @Nullable Object found) {
    if (!holds) {
      throw new QuestionException(what + " must be " + expected + ", found " + found);
    }
  }

  /** Greedy, 512 tokens. */
  public static GenerationOptions defaults() {
    return DEFAULTS;
  }

  public GenerationOptions withMaxTokens(int maxTokens) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withBudget(int budget) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withTemperature(float temperature) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withTopK(int topK) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withTopP(float topP) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withMinP(float minP) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withRepetitionPenalty(float repetitionPenalty) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withSeed(long seed) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withStop(List<String> stop) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withIgnoreEos(boolean ignoreEos) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withAnswerCue(String answerCue) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }

  public GenerationOptions withCancellation(@Nullable Cancellation cancellation) {
    return new GenerationOptions(
        maxTokens,
        budget,
        temperature,
        topK,
        topP,
        minP,
        repetitionPenalty,
        seed,
        stop,
        ignoreEos,
        answerCue,
        cancellation);
  }
}
