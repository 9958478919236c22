@NullMarked
package io.lrt4j.text;

import org.jspecify.annotations.NullMarked;
