@NullMarked
package io.lrt4j.cli;

import org.jspecify.annotations.NullMarked;
