package io.lrt4j.training;

import java.nio.file.Path;

/**
 * How long a run takes, and what it leaves.
 *
 * @param out its directory
 * @param resume whether to go on from the checkpoint there
 * @param rate learning rate, and how many steps
 * @param logEvery steps between two lines of metrics
 * @param evalEvery steps between two evaluations
 * @param saveEvery steps between two checkpoints
 * @param fingerprint what must not change from start to resumption, in words, as {@code [a, b 1]};
 *     of two words, the second is not compared where the start said nothing of the first
 */
public record RunSettings(
    Path out,
    boolean resume,
    LearningRate rate,
    int logEvery,
    int evalEvery,
    int saveEvery,
    String fingerprint) {}
