@NullMarked
package io.lrt4j;

import org.jspecify.annotations.NullMarked;
