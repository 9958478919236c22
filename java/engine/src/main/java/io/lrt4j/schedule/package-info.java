/**
 * Who computes when: {@link io.lrt4j.schedule.Scheduler} lets the sequences of all callers of an
 * engine share steps, in which some decode and others are read, and bounds how long one waits for
 * another.
 */
@NullMarked
package io.lrt4j.schedule;

import org.jspecify.annotations.NullMarked;
