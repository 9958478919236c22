/**
 * From logits to text: the token loop ({@link io.lrt4j.decode.Generator}), where a {@link
 * io.lrt4j.decode.Sequence} turns and ends, and how a {@link io.lrt4j.decode.Sampler} chooses.
 */
@NullMarked
package io.lrt4j.decode;

import org.jspecify.annotations.NullMarked;
