/** How fast a model is on this machine: its parts by ids, without the text around it, and times. */
@NullMarked
package io.lrt4j.evaluation.speed;

import org.jspecify.annotations.NullMarked;
