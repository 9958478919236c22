/**
 * Who computes when: {@link io.lrt4j.schedule.Scheduler} lets the sequences of all callers of an
 * engine share steps, in which some decode and others are read, and bounds how long one waits for
 * another.
 *
 * <p>A step is made of the coarse operations of {@link io.lrt4j.compute.Backend}: {@link
 * io.lrt4j.model.Transformer#embed}, {@link io.lrt4j.model.Transformer#forward}, and the head for
 * the last row of each sequence that decodes, or that has been read and goes on. There is no
 * compiled form of it to be asked of a backend, as a backend can make one out of what it is told:
 * {@code cuda} keeps what it is to launch until somebody reads a result, and launches a list that
 * comes again as one graph, with what changes from token to token at fixed places; for {@code
 * native} a call costs far less than what it computes. So one description of the model serves every
 * backend and every mixture of rows.
 *
 * <p>Choosing a token is left to {@link io.lrt4j.decode}: the greedy one and its log-probability
 * come from a reduction where the logits are, which a step does for all its rows at once, and a
 * sampled one from the row itself, which only those who sample are given: on the host, or in the
 * same way and with the same random numbers on a backend's device ({@link
 * io.lrt4j.compute.Backend#sample}), so that a seed gives the same tokens on every backend that
 * gives the same logits.
 */
@NullMarked
package io.lrt4j.schedule;

import org.jspecify.annotations.NullMarked;
