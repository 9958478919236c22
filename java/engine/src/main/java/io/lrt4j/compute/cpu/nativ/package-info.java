/**
 * The backend {@code native}: C kernels (the folder {@code native}), built for every instruction
 * set that is worth it and called through the foreign function interface. Java checks, C computes.
 */
@NullMarked
package io.lrt4j.compute.cpu.nativ;

import org.jspecify.annotations.NullMarked;
