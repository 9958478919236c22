/** The studies of the paper, on any model and data set: each gives a section of a report. */
@NullMarked
package io.lrt4j.evaluation.study;

import org.jspecify.annotations.NullMarked;
