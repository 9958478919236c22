package io.lrt4j.text;

import io.lrt4j.QuestionException;
import java.util.Collection;

/**
 * Tells what people wrote from what a chat template wrote around it. A special token such as {@code
 * <|im_end|>} ends a turn when the template writes it; from a user's keyboard it is ten characters,
 * or else anybody could end his turn and begin one of the system.
 *
 * <p>In a guarded text every place where a special token begins is marked by a character that none
 * of the texts has; after the template has put all together, {@link #encode} spells out what is
 * marked. A text without special tokens stays as it is.
 */
public final class MessageGuard {
  private static final char FIRST_MARKER = '\uFDD0'; // of 32 that are no characters, for such uses
  private static final char LAST_MARKER = '\uFDEF';

  private final Tokenizer tokenizer;
  private final SpecialTokens specialTokens;
  private final char marker;
  private boolean needed;

  /**
   * @param always whether a special token may hide from a search, as another form of its characters
   * @param texts all that will be guarded
   */
  MessageGuard(
      Tokenizer tokenizer, SpecialTokens specialTokens, boolean always, Collection<String> texts) {
    this.tokenizer = tokenizer;
    this.specialTokens = specialTokens;
    this.needed = always;
    char free = FIRST_MARKER;
    while (contains(texts, free)) {
      if (free++ == LAST_MARKER) {
        throw new QuestionException(
            "the messages have all of U+FDD0 to U+FDEF, which are no characters, in them");
      }
    }
    marker = free;
  }

  private static boolean contains(Collection<String> texts, char c) {
    return texts.stream().anyMatch(t -> t.indexOf(c) >= 0);
  }

  /** A text as the template is to see it. */
  public String guard(String text) {
    StringBuilder marked = null;
    for (int i = 0; i < text.length(); i++) {
      if (specialTokens.at(text, i) != null) {
        marked = marked == null ? new StringBuilder(text.substring(0, i)) : marked;
        marked.append(marker);
        needed = true;
      }
      if (marked != null) {
        marked.append(text.charAt(i));
      }
    }
    return marked == null ? text : marked.toString();
  }

  /** The ids of a text out of guarded ones and others. */
  public int[] encode(String text) {
    if (!needed) {
      return tokenizer.encode(text);
    }
    return tokenizer.encodeAliased(
        names -> {
          var out = new StringBuilder();
          for (int i = 0; i < text.length(); ) {
            String token = text.charAt(i) == marker ? null : specialTokens.at(text, i);
            if (token != null) {
              out.append(names.apply(token));
              i += token.length();
            } else {
              i += text.charAt(i) == marker ? 1 : 0;
              if (i < text.length()) {
                out.append(text.charAt(i++));
              }
            }
          }
          return out.toString();
        });
  }
}
