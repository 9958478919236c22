/**
 * Latent Reasoning Tuning itself: a {@link io.lrt4j.reasoning.Session} encodes a question, lets the
 * {@link io.lrt4j.reasoning.ReasoningNetwork} think and has the answer decoded, in one of four
 * modes.
 */
@NullMarked
package io.lrt4j.reasoning;

import org.jspecify.annotations.NullMarked;
