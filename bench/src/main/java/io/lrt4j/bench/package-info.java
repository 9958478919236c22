/** How fast it is, against what the machine could do at best. */
@NullMarked
package io.lrt4j.bench;

import org.jspecify.annotations.NullMarked;
