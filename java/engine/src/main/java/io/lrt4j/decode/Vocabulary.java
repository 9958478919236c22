package io.lrt4j.decode;

import io.lrt4j.QuestionException;
import io.lrt4j.text.Tokenizer;
import java.util.BitSet;
import java.util.Collection;
import org.jspecify.annotations.Nullable;

/**
 * What the token loop knows of a model's tokens.
 *
 * @param size number of logits
 * @param tokenizer turns tokens into text; null for a checkpoint that came without
 * @param endOfSequence the tokens that end an answer
 * @param endOfThinking the token {@code </think>}, or -1 when it is not one token
 */
public record Vocabulary(
    int size, @Nullable Tokenizer tokenizer, BitSet endOfSequence, int endOfThinking) {
  /** The text that closes a thinking block. */
  public static final String END_OF_THINKING = "</think>";

  /** The vocabulary of a model with {@code size} logits and these end-of-sequence tokens. */
  public static Vocabulary of(
      int size, @Nullable Tokenizer tokenizer, Collection<Integer> endOfSequence) {
    BitSet ends = new BitSet();
    endOfSequence.forEach(ends::set);
    int endOfThinking = tokenizer == null ? -1 : tokenizer.id(END_OF_THINKING).orElse(-1);
    return new Vocabulary(size, tokenizer, ends, endOfThinking);
  }

  /**
   * Sees to it that the model has these tokens. A tokenizer may have more, if few: those that were
   * added to it, and never to the model. One with many is another model's.
   *
   * @throws QuestionException if it has not all of them; where the tokenizer has, it is named
   */
  public void check(int[] ids) {
    for (int id : ids) {
      if (id < 0 || id >= size) {
        throw new QuestionException(
            "token ids must be 0 to "
                + (size - 1)
                + ", the model's vocabulary, found "
                + id
                + (tokenizer != null && id >= 0 && id < tokenizer.vocabularySize()
                    ? ": the %d ids of %s are more than the model's %d, is it another model's?"
                        .formatted(tokenizer.vocabularySize(), tokenizer.file(), size)
                    : ""));
      }
    }
  }
}
