package io.lrt4j.training;

/**
 * Stage 1.
 *
 * @param batch problems of a step
 * @param accumulate batches that a step is computed in
 * @param bf16 whether parameters are rounded to bf16
 * @param stepLoss weight of the loss of heads that read the value after step j of the reasoning
 *     from latent j, which goes beyond the paper; 0 for no heads
 */
public record SftSettings(int batch, int accumulate, boolean bf16, double stepLoss) {}
