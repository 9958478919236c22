package io.lrt4j;

import java.util.Locale;

/**
 * Root of everything lrt4j throws on purpose. Its message is one sentence: what, where, expected,
 * found. Subclasses name the kind of failure; anything else that escapes (a {@link
 * NullPointerException}, say) is a bug in the caller or in us.
 */
public class LrtException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public LrtException(String message) {
    super(oneLine(message));
  }

  public LrtException(String message, Throwable cause) {
    super(oneLine(message), cause);
  }

  /**
   * Names in untrusted files must not move a terminal's cursor or begin a line of a log: line
   * breaks become spaces, other control and formatting characters are spelled out.
   */
  private static String oneLine(String message) {
    if (message.codePoints().noneMatch(LrtException::unseen)) {
      return message;
    }
    var out = new StringBuilder();
    message
        .codePoints()
        .forEach(
            c -> {
              if (c == '\n' || c == '\r' || c == '\t' || c == 0x2028 || c == 0x2029) {
                out.append(' ');
              } else if (unseen(c)) {
                out.append(String.format(Locale.ROOT, "\\u%04x", c));
              } else {
                out.appendCodePoint(c);
              }
            });
    return out.toString();
  }

  private static boolean unseen(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          true;
      default -> false;
    };
  }
}
