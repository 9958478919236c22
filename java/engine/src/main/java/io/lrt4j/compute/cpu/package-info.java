@NullMarked
package io.lrt4j.compute.cpu;

import org.jspecify.annotations.NullMarked;
