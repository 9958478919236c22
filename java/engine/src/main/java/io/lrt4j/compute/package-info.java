@NullMarked
package io.lrt4j.compute;

import org.jspecify.annotations.NullMarked;
