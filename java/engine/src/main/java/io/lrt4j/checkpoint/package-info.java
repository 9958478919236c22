/**
 * Hugging Face checkpoints and reasoning networks on disk: read (as untrusted input, everything
 * checked before it is used), written, and made at random.
 */
@NullMarked
package io.lrt4j.checkpoint;

import org.jspecify.annotations.NullMarked;
