@NullMarked
package io.lrt4j.bench;

import org.jspecify.annotations.NullMarked;
