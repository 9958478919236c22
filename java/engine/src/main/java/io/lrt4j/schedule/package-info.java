/**
 * Who computes when: {@link io.lrt4j.schedule.Scheduler} lets the sequences of all callers of an
 * engine share decode steps, and gives everything longer its turn between them.
 */
@NullMarked
package io.lrt4j.schedule;

import org.jspecify.annotations.NullMarked;
