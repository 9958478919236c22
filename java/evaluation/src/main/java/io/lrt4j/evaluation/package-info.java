/** Asks a model the questions of a data set and says how well it did, and how sure that is. */
@NullMarked
package io.lrt4j.evaluation;

import org.jspecify.annotations.NullMarked;
