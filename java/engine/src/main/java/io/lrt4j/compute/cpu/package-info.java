/**
 * Backends on the CPU in Java: {@code scalar}, plain Java and the readable truth, and {@code
 * vector}, the same on the Vector API with its own threads.
 */
@NullMarked
package io.lrt4j.compute.cpu;

import org.jspecify.annotations.NullMarked;
