/** Evaluation and rollouts on Apache Spark: maps over questions, for more machines than one. */
@NullMarked
package io.lrt4j.spark;

import org.jspecify.annotations.NullMarked;
