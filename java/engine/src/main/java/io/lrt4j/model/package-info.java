/**
 * The decoder-only {@link io.lrt4j.model.Transformer}, one class for all families, told apart by a
 * {@link io.lrt4j.model.ModelConfig}.
 */
@NullMarked
package io.lrt4j.model;

import org.jspecify.annotations.NullMarked;
