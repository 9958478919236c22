package io.lrt4j.training;

/**
 * Pre-training of a base model.
 *
 * @param batch problems of a step
 * @param accumulate batches that a step is computed in
 * @param allText whether the question's tokens are learnt too
 * @param bf16 whether parameters are rounded to bf16
 * @param directWeight what a token of a direct answer counts; one of a chain of thought counts 1
 */
public record BaseSettings(
    int batch, int accumulate, boolean allText, boolean bf16, double directWeight) {}
