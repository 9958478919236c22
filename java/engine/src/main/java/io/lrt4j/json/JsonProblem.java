package io.lrt4j.json;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.Locale;
import java.util.regex.Pattern;

/** What is wrong with a JSON text, as a message may tell it. */
public final class JsonProblem {
  private static final int MAX_LENGTH = 160;

  /** Where something began is told with words about the text it is in, which is known. */
  private static final Pattern SOURCE = Pattern.compile("\\[Source: [^;\\[]*; ([^\\[\\]]*)\\]");

  /** Where a limit is set. */
  private static final Pattern SETTER = Pattern.compile(", from `[^`]*`");

  /** What a programmer could do about it. */
  private static final Pattern ADVICE =
      Pattern.compile(
          "(: enable `|: maybe a | \\(not recognized as| ?\\(for example| \\(bound as).*",
          Pattern.DOTALL);

  private JsonProblem() {}

  /** In the parser's words, without those for programmers: one line, short. */
  public static String of(JsonProcessingException e) {
    String message = String.valueOf(e.getOriginalMessage());
    message = SOURCE.matcher(message).replaceAll("$1");
    message = SETTER.matcher(message).replaceAll("");
    return brief(ADVICE.matcher(message).replaceFirst(""));
  }

  /** A text from outside as it may stand in a message: one line, no control characters, short. */
  public static String brief(String text) {
    var out = new StringBuilder();
    for (int i = 0; i < text.length() && out.length() < MAX_LENGTH; ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      switch (Character.getType(c)) {
        case Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.UNASSIGNED -> {
          if (c == '\n' || c == '\r' || c == '\t') {
            out.append(' ');
          } else {
            out.append(String.format(Locale.ROOT, "\\u%04x", c));
          }
        }
        case Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> out.append(' ');
        default -> out.appendCodePoint(c);
      }
      if (out.length() >= MAX_LENGTH && i < text.length()) {
        out.append('…');
      }
    }
    return out.toString();
  }

  /** The same between quotes. */
  public static String quote(String text) {
    return '"' + brief(text) + '"';
  }
}
