/**
 * The seam between model and machine: a {@link io.lrt4j.compute.Backend} runs coarse operations on
 * {@link io.lrt4j.compute.Tensor}s that it owns, with weights that it keeps as {@link
 * io.lrt4j.compute.Linear}s; a {@link io.lrt4j.compute.KvStore} keeps what sequences have seen,
 * each a {@link io.lrt4j.compute.KvCache} of blocks, and a {@link io.lrt4j.compute.PrefixCache}
 * finds those that the next one begins with.
 */
@NullMarked
package io.lrt4j.compute;

import org.jspecify.annotations.NullMarked;
