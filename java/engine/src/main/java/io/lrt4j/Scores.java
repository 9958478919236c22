package io.lrt4j;

import java.util.List;

/**
 * What the model thinks of a sequence of n tokens.
 *
 * @param logprobs natural log-probability of token i given those before it; NaN for the first; [n]
 * @param logits before the softmax; [n][vocab]; null unless asked for
 * @param hidden states after the final norm; [n][hidden]; null unless asked for
 * @param alternatives the most probable tokens in the place of token i, the best first; none for
 *     the first; [n], or empty unless asked for
 */
@SuppressWarnings("ArrayRecordComponent") // the arrays are the result, handed over to the caller
public record Scores(
    float[] logprobs,
    float @org.jspecify.annotations.Nullable [][] logits,
    float @org.jspecify.annotations.Nullable [][] hidden,
    List<List<Token.Choice>> alternatives) {}
