/**
 * Text to token ids and back, and messages to text, as the checkpoint's own tokenizer and chat
 * template have it: byte for byte what transformers gives.
 */
@NullMarked
package io.lrt4j.text;

import org.jspecify.annotations.NullMarked;
