/** How messages tell what is wrong with JSON, wherever it came from. */
@NullMarked
package io.lrt4j.json;

import org.jspecify.annotations.NullMarked;
