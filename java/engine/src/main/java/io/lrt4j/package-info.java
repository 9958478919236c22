/**
 * The public API: load an {@link io.lrt4j.Engine} from a checkpoint directory, ask it a {@link
 * io.lrt4j.Question}, get an {@link io.lrt4j.Answer}. The other packages are how that is done; they
 * may change from one version to the next.
 */
@NullMarked
package io.lrt4j;

import org.jspecify.annotations.NullMarked;
