@NullMarked
package io.lrt4j.checkpoint;

import org.jspecify.annotations.NullMarked;
