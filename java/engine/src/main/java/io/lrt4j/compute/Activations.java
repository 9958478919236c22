package io.lrt4j.compute;

/**
 * What flows through decoder layers, with room for the rows of a step.
 *
 * @param x the residual stream, in and out; [rows, hidden]
 * @param qkv [rows, (heads + 2 kvHeads) headDim]
 * @param mixed what attention makes of the values; [rows, heads headDim]
 * @param mlp gates, then ups; [rows, 2 intermediate]
 */
public record Activations(Tensor x, Tensor qkv, Tensor mixed, Tensor mlp) {}
