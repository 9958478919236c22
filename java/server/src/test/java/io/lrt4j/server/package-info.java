@NullMarked
package io.lrt4j.server;

import org.jspecify.annotations.NullMarked;
