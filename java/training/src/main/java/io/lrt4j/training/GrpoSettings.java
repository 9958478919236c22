package io.lrt4j.training;

/**
 * Stage 2. Defaults of the paper: group 8, KL 2e-3, clipping 0.2, temperature 0.6, top-p 0.95.
 *
 * @param batch questions of a step
 * @param group answers sampled to each
 * @param accumulate batches that an update is computed in
 * @param innerEpochs updates on the samples of a step
 * @param clipRatio how far the probability ratio counts from 1
 * @param kl weight of the divergence from the reference
 * @param temperature of sampling
 * @param topP of sampling
 * @param maxTokens of an answer
 * @param seed of sampling
 */
public record GrpoSettings(
    int batch,
    int group,
    int accumulate,
    int innerEpochs,
    double clipRatio,
    double kl,
    float temperature,
    float topP,
    int maxTokens,
    long seed) {}
