/** How to use lrt4j in one's own program. */
@NullMarked
package io.lrt4j.examples;

import org.jspecify.annotations.NullMarked;
