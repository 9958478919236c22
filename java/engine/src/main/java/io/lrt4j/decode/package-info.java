@NullMarked
package io.lrt4j.decode;

import org.jspecify.annotations.NullMarked;
