package io.lrt4j.evaluation.grade;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One spelling for what LaTeX and people spell in several ways. */
final class Spelling {
  private static final int MAX_LENGTH = 2_000; // longer texts are no short answers in disguise
  private static final Pattern SPACES = Pattern.compile("\\s++");
  private static final Pattern TEXT =
      Pattern.compile(
          "\\\\(?:text|mbox|textbf|textit|textrm|textnormal|mathrm|mathbf|operatorname)\\s*\\{([^{}]*)\\}");
  private static final Pattern UNIT_TEXT =
      Pattern.compile("(?<=[\\d}\\w)°])\\s*" + TEXT.pattern() + "(?:\\^\\{?\\d\\}?)?\\s*$");
  private static final Pattern AND = Pattern.compile("\\s*+(?:,\\s*+)?\\b(?:and|or)\\b\\s*+");
  private static final Pattern UNIT =
      Pattern.compile(
          "(?<=[\\d})])\\s*(?:square |cubic )?(?:cm|mm|km|kg|mph|(?<="
              + " )(?:m|g|ft|in|mi)|hours?|minutes?|mins?|seconds?|days?|weeks?|months?|years?"
              + "|degrees?|dollars?|cents?|euros?|units?|miles?|meters?|metres?|feet|foot|inch(?:es)?|yards?"
              + "|pounds?|grams?|people|ways|points?|apples?|eggs?|items?)(?:\\^\\{?\\d\\}?|²|³)?\\s*$",
          Pattern.CASE_INSENSITIVE);
  private static final Pattern PERCENT_WORD =
      Pattern.compile("\\s*(?:percent(?:age)?|pct)\\.?\\s*$", Pattern.CASE_INSENSITIVE);
  private static final Pattern THOUSANDS =
      Pattern.compile( // not (3,456), a point or an interval
          "(?<![\\d.,])(\\d{1,3})((?:,\\d{3})++)(?![\\d,])"
              + "(?!(?<=(?:[(\\[]|\\\\\\{) ?[-−]?\\d{1,3}(?:,\\d{3}){1,9}) ?(?:[)\\]]|\\\\\\}))");
  private static final Pattern SPACED_THOUSANDS =
      Pattern.compile("(?<![\\d.])(\\d{1,3})((?: \\d{3})++)(?!\\d)");
  private static final Pattern MIXED =
      Pattern.compile("(?<![\\d./])(\\d{1,9}) (\\d{1,9})/(\\d{1,9})(?![\\d.])");
  private static final Pattern MULTIPLE =
      Pattern.compile("(?:hundred|thousand|[mb]illion|trillion|dozen)\\b.*");

  private Spelling() {}

  /** A text without {@code \\text} and its like around parts of it. */
  static String untext(String text) {
    return TEXT.matcher(text).replaceAll("$1");
  }

  /** A formula without what does not change its meaning. */
  static String plain(String text) {
    String s = SPACES.matcher(text.strip()).replaceAll(" "); // no long runs from here on
    s = s.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cfrac", "\\frac");
    s = s.replaceAll("\\\\left(?![a-z])\\s*\\.?|\\\\right(?![a-z])\\s*\\.?", "");
    s = s.replaceAll("\\\\(?:big|Big|bigg|Bigg)[lr]?(?![a-zA-Z])", "");
    s =
        s.replaceAll(
            "(?<=\\d)(?:,\\s*\\\\!|\\{,\\s*\\})\\s*(?=\\d{3}(?!\\d))", ""); // surely thousands
    s = s.replaceAll(",\\s*\\\\!\\s*", ",").replace("\\!", "").replaceAll("\\{,\\s*\\}", ",");
    s = s.replaceAll("(?<!\\\\)\\\\[,;: ]|\\\\q?quad(?![a-zA-Z])|~", " ");
    s = s.replaceAll("\\^\\s*(?:\\{\\s*)?\\\\circ\\s*\\}?|\\\\degree(?![a-zA-Z])|°", "");
    s = s.replace("\\displaystyle", "").replace("\\lvert", "|").replace("\\rvert", "|");
    s = s.replace("\\vert", "|").replace("\\lbrace", "\\{").replace("\\rbrace", "\\}");
    s = s.replace("\\$", "").replace("$", "").replace("€", "").replace("£", "");
    s = s.replace("\\(", "").replace("\\)", "").replace("\\[", "").replace("\\]", "");
    s =
        UNIT_TEXT
            .matcher(s)
            .replaceFirst(
                m -> Matcher.quoteReplacement(unit(m.group(1).strip().toLowerCase(Locale.ROOT))));
    s = untext(s);
    s = AND.matcher(s).replaceAll(",");
    s = PERCENT_WORD.matcher(s).replaceFirst("%");
    s = UNIT.matcher(s).replaceFirst("");
    s = s.strip();
    s = s.endsWith(".") || s.endsWith(",") ? s.substring(0, s.length() - 1) : s;
    s = THOUSANDS.matcher(s).replaceAll(m -> m.group(1) + m.group(2).replace(",", ""));
    s = SPACED_THOUSANDS.matcher(s).replaceAll(m -> m.group(1) + m.group(2).replace(" ", ""));
    return MIXED.matcher(s).replaceAll("($1+$2/$3)");
  }

  /** What a unit in words counts for: nothing, but 5 million is not 5. */
  private static String unit(String word) {
    return word.startsWith("percent") ? "%" : MULTIPLE.matcher(word).matches() ? " " + word : "";
  }

  /** Words for comparison as words. */
  static String words(String text) {
    String s =
        (text.length() > MAX_LENGTH ? text : plain(text))
            .toLowerCase(Locale.ROOT)
            .replaceAll("\\s+", "");
    s = s.endsWith(".") ? s.substring(0, s.length() - 1) : s;
    return s.length() == 3 && s.startsWith("(") && s.endsWith(")") ? s.substring(1, 2) : s;
  }
}
