/**
 * The backend {@code cuda}: NVIDIA GPUs through the driver API (JCuda) and the kernels of the
 * folder {@code kernels}. Java checks, allocates and launches; one stream does everything in order.
 */
@NullMarked
package io.lrt4j.cuda;

import org.jspecify.annotations.NullMarked;
