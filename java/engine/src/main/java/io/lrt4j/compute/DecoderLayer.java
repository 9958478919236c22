package io.lrt4j.compute;

import org.jspecify.annotations.Nullable;

/**
 * The parameters of one decoder layer, with {@code V} for a tensor and {@code P} for a projection.
 *
 * @param inputNorm [hidden]
 * @param qkv hidden to (heads + 2 kvHeads) headDim, in three parts
 * @param queryNorm [headDim], or null without query/key norm
 * @param keyNorm [headDim], or null
 * @param output heads * headDim to hidden
 * @param postNorm [hidden]
 * @param gateUp hidden to 2 * intermediate, in two parts
 * @param down intermediate to hidden
 */
public record DecoderLayer<V, P>(
    V inputNorm,
    P qkv,
    @Nullable V queryNorm,
    @Nullable V keyNorm,
    P output,
    V postNorm,
    P gateUp,
    P down) {}
