/**
 * An interpreter of the part of Jinja that chat templates use, with Python's meaning of values.
 *
 * <p>Source → {@link io.lrt4j.text.template.Lexer} → {@link io.lrt4j.text.template.Parser} → {@link
 * io.lrt4j.text.template.Stmt} and {@link io.lrt4j.text.template.Expr} → {@link
 * io.lrt4j.text.template.Interpreter}. Templates come with checkpoints and are untrusted: time,
 * memory and depth are limited by {@link io.lrt4j.text.template.Rendering}.
 *
 * <p>Values are {@link java.lang.String}, {@link java.lang.Boolean}, {@link java.lang.Long} (or
 * {@link java.math.BigInteger} where input brought one), {@link java.lang.Double}, {@link
 * java.util.List}, {@link java.util.Map}, and the types in {@link io.lrt4j.text.template.Value}.
 */
@NullMarked
package io.lrt4j.text.template;

import org.jspecify.annotations.NullMarked;
