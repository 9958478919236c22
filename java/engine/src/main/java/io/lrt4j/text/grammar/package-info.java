/**
 * Which tokens may follow when an answer is held to a form: {@link
 * io.lrt4j.text.grammar.JsonSchema} makes a {@link io.lrt4j.text.grammar.Grammar} of bytes out of a
 * JSON Schema, {@link io.lrt4j.text.grammar.Constraint} asks it about every token of a vocabulary,
 * once for each place in the grammar that an answer comes to.
 */
@NullMarked
package io.lrt4j.text.grammar;

import org.jspecify.annotations.NullMarked;
