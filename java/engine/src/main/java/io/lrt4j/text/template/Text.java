package io.lrt4j.text.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Python's view of strings: sequences of code points, with Python's notion of white space. */
final class Text {
  private Text() {}

  /** {@code str.isspace} of one character. */
  static boolean isSpace(int c) {
    return switch (c) {
      case 9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xa0, 0x1680 -> true;
      case 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 -> true;
      default -> c >= 0x2000 && c <= 0x200a;
    };
  }

  /** {@code str.isspace}: all of it, and at least one. */
  static boolean isSpace(String s) {
    return !s.isEmpty() && s.chars().allMatch(Text::isSpace);
  }

  static String stripStart(String s) {
    int i = 0;
    while (i < s.length() && isSpace(s.charAt(i))) {
      i++;
    }
    return s.substring(i);
  }

  static String stripEnd(String s) {
    int i = s.length();
    while (i > 0 && isSpace(s.charAt(i - 1))) {
      i--;
    }
    return s.substring(0, i);
  }

  /** {@code str.strip(chars)}, from the sides asked for. */
  static String strip(String s, String chars, boolean start, boolean end) {
    int from = 0;
    int to = s.length();
    while (start && from < to && chars.indexOf(s.codePointAt(from)) >= 0) {
      from += Character.charCount(s.codePointAt(from));
    }
    while (end && from < to && chars.indexOf(s.codePointBefore(to)) >= 0) {
      to -= Character.charCount(s.codePointBefore(to));
    }
    return s.substring(from, to);
  }

  static int length(String s) {
    return s.codePointCount(0, s.length());
  }

  /** Code points [from, to), both within the string. */
  static String slice(String s, int from, int to) {
    int start = s.offsetByCodePoints(0, from);
    return s.substring(start, s.offsetByCodePoints(start, to - from));
  }

  static List<Object> characters(String s) {
    return new ArrayList<>(s.codePoints().mapToObj(Character::toString).toList());
  }

  /** {@code str.splitlines}. */
  static List<Object> lines(String s, boolean keepEnds) {
    var lines = new ArrayList<Object>();
    int start = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      boolean end =
          (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
      if (end) {
        int next = c == '\r' && i + 1 < s.length() && s.charAt(i + 1) == '\n' ? i + 2 : i + 1;
        lines.add(s.substring(start, keepEnds ? next : i));
        start = next;
        i = next - 1;
      }
    }
    if (start < s.length()) {
      lines.add(s.substring(start));
    }
    return lines;
  }

  /** {@code str.split()}: at runs of white space, at most {@code limit} times unless negative. */
  static List<Object> words(String s, long limit) {
    var words = new ArrayList<Object>();
    var rest = stripStart(s);
    while (!rest.isEmpty()) {
      int end = 0;
      while (end < rest.length() && !isSpace(rest.charAt(end))) {
        end++;
      }
      if (limit >= 0 && words.size() >= limit) {
        words.add(rest);
        return words;
      }
      words.add(rest.substring(0, end));
      int next = end;
      while (next < rest.length() && isSpace(rest.charAt(next))) {
        next++;
      }
      rest = rest.substring(next);
    }
    return words;
  }

  static String upper(String s) {
    return s.toUpperCase(Locale.ROOT);
  }

  static String lower(String s) {
    return s.toLowerCase(Locale.ROOT);
  }

  static String capitalize(String s) {
    if (s.isEmpty()) {
      return s;
    }
    int first = s.codePointAt(0);
    int rest = Character.charCount(first);
    return titleCase(first) + lower(s).substring(lower(s.substring(0, rest)).length());
  }

  /** {@code str.title}: a capital wherever a letter follows something that is none. */
  static String title(String s) {
    var out = new StringBuilder(s.length());
    boolean inWord = false;
    for (int i = 0; i < s.length(); ) {
      int c = s.codePointAt(i);
      int next = i + Character.charCount(c);
      out.append(inWord ? lower(s.substring(i, next)) : titleCase(c));
      inWord = isCased(c);
      i = next;
    }
    return out.toString();
  }

  private static String titleCase(int c) {
    int title = Character.toTitleCase(c);
    // Some letters become several (ß → Ss), which only whole strings can tell.
    var upper = upper(Character.toString(c));
    return title == c && length(upper) > 1
        ? slice(upper, 0, 1) + lower(slice(upper, 1, length(upper)))
        : Character.toString(title);
  }

  static boolean isCased(int c) {
    return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
  }

  /** {@code str.isupper}. */
  static boolean isUpper(String s) {
    return s.codePoints().anyMatch(Text::isCased)
        && s.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
  }

  /** {@code str.islower}. */
  static boolean isLower(String s) {
    return s.codePoints().anyMatch(Text::isCased)
        && s.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
  }

  static boolean isAlpha(int c) {
    return Character.isLetter(c);
  }

  static String escapeHtml(String s) {
    return s.replace("&", "&amp;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  /** {@code repr} of a string. */
  static void repr(String s, StringBuilder out) {
    char quote = s.indexOf('\'') >= 0 && s.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    s.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                  if (c == quote) {
                    out.append('\\').append(quote);
                  } else if (isPrintable(c)) {
                    out.appendCodePoint(c);
                  } else {
                    out.append(
                        String.format(
                            Locale.ROOT,
                            c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x",
                            c));
                  }
                }
              }
            });
    out.append(quote);
  }

  private static boolean isPrintable(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      case Character.SPACE_SEPARATOR -> c == ' ';
      default -> true;
    };
  }
}
