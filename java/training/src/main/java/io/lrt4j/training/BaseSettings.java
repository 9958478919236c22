package io.lrt4j.training;

/**
 * Pre-training of a base model.
 *
 * @param batch problems of a step
 * @param accumulate batches that a step is computed in
 * @param allText whether the question's tokens are learnt too
 * @param bf16 whether parameters are rounded to bf16
 */
public record BaseSettings(int batch, int accumulate, boolean allText, boolean bf16) {}
