@NullMarked
package io.lrt4j.reasoning;

import org.jspecify.annotations.NullMarked;
