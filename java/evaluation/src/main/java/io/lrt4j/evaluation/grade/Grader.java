package io.lrt4j.evaluation.grade;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Takes the final answer out of what a model wrote, and compares it with the true one. Any text is
 * graded, in time that grows no faster than its length.
 */
public enum Grader {
  /** By the look of the truth: the letter of a choice, a plain number, or mathematics. */
  AUTO {
    @Override
    public String extract(String text, String truth) {
      return of(text, truth).extract(text, truth);
    }

    @Override
    boolean same(String found, String truth) {
      if (Extraction.isLetter(truth)) {
        return CHOICE.same(found, truth);
      }
      // what was boxed for a number may be a formula, or have its unit with it
      return NUMBER.same(found, truth)
          || MATH.same(found, truth)
          || NUMBER.same(Extraction.counted(found), truth);
    }

    private Grader of(String text, String truth) {
      if (Extraction.isLetter(truth)) {
        return CHOICE;
      }
      boolean plain = Extraction.number(truth) != null && text.indexOf('\\') < 0;
      return plain ? NUMBER : MATH;
    }
  },

  /**
   * The last number of the answer: whole, decimal, or a fraction; with separators, $ or %. A number
   * right after "not" is none: "18 because 9 * 2 = 18, and not 16" answers 18.
   */
  NUMBER {
    @Override
    public String extract(String text, String truth) {
      String last = Extraction.lastNumber(Extraction.marked(text));
      return last == null ? "" : last;
    }

    @Override
    boolean same(String found, String truth) {
      BigDecimal a = Extraction.number(truth);
      BigDecimal b = Extraction.number(found);
      return a != null && b != null && a.compareTo(b) == 0;
    }
  },

  /**
   * The content of the last {@code \boxed{…}}, or what follows "####" or "answer is", or the last
   * formula or number; compared as mathematics, with rounding to six decimals where decimals were
   * written, as Math-Verify does.
   *
   * <p>Boxes with nothing but a comma, a semicolon, "and" or "or" between them are one answer
   * together, in every grader; of others the last one counts. Where both sides name their values
   * ({@code x=15, y=-29}), the names count. A tuple is the same as such values in the order of
   * their names if these are letters that follow one another (x, y, z), and as {@code (x, y) = (15,
   * -29)}.
   */
  MATH {
    @Override
    public String extract(String text, String truth) {
      return Extraction.math(text);
    }

    @Override
    boolean same(String found, String truth) {
      return mathematically(found, truth);
    }
  },

  /** The letter of a choice, A to J. */
  CHOICE {
    @Override
    public String extract(String text, String truth) {
      return Extraction.choice(text);
    }

    @Override
    boolean same(String found, String truth) {
      return !found.isEmpty() && found.equals(Extraction.letter(truth));
    }
  },

  /** The whole answer, or what it has boxed: words without regard to case and spaces. */
  TEXT {
    @Override
    public String extract(String text, String truth) {
      return Extraction.boxed(text).strip();
    }

    @Override
    boolean same(String found, String truth) {
      return !found.isBlank() && Spelling.words(found).equals(Spelling.words(truth));
    }
  };

  /**
   * Whether a text ends in the right answer.
   *
   * @param text all that the model answered
   * @param truth the right answer, alone
   */
  public boolean isRight(String text, String truth) {
    return same(extract(text, truth), plain(truth));
  }

  /**
   * The final answer of a text, "" if it has none.
   *
   * @param truth says what kind of answer is looked for
   */
  public abstract String extract(String text, String truth);

  /** Whether two final answers are the same one; an empty one is like no other. */
  public boolean agree(String found, String other) {
    return !found.isEmpty() && (found.equals(other) || (!other.isEmpty() && same(other, found)));
  }

  abstract boolean same(String found, String truth);

  private static String plain(String truth) {
    return Extraction.boxed(truth).strip();
  }

  private static final Pattern DECIMAL_COMMA = Pattern.compile("-?\\d{1,30},\\d{1,30}");

  private static boolean mathematically(String found, String truth) {
    if (found.isBlank()) {
      return false;
    }
    Value a = MathParser.parse(truth);
    Value b = a == null ? null : MathParser.parse(found);
    if (a != null && b != null) {
      if (Equality.same(a, b)) {
        return true;
      }
      if (DECIMAL_COMMA.matcher(found).matches() && a instanceof Value.Scalar) {
        Value decimal = MathParser.parse(found.replace(',', '.'));
        return decimal != null && Equality.same(a, decimal);
      }
    }
    String words = Spelling.words(truth);
    boolean letters = words.length() > 1 && words.chars().allMatch(Character::isLetter);
    return (a == null || b == null || letters) && Spelling.words(found).equals(words);
  }

  /** Finds final answers in texts. */
  private static final class Extraction {
    private static final int MAX_DIGITS = 400; // beyond it, text is not taken for a number
    private static final int MAX_EXPONENT = 4; // digits of it
    private static final String BOXED = "\\boxed";
    private static final String MARK = "####";
    private static final int MAX_BOXES = 10; // that are one answer together
    private static final Pattern BETWEEN_BOXES =
        Pattern.compile(
            "[\\s$*]{0,9}(?:\\\\[)\\]])?\\s{0,9}"
                + "(?:[,;]|(?:[,;]\\s{0,9})?(?:\\\\text\\s?\\{\\s?)?\\b(?:and|or)\\b(?:\\s?\\})?)"
                + "\\s{0,9}(?:\\\\q?quad)?\\s{0,9}(?:\\\\[(\\[])?[\\s$*]{0,9}");
    private static final Pattern LETTER = Pattern.compile("\\(?([A-J])\\)?[.:]?");
    private static final String BEFORE_LETTER = "[ \n]{0,3}\\**\"?(?:\\\\?\\(|\\$)?([A-J])\\b";
    private static final Pattern SAID_LETTER =
        Pattern.compile(
            "(?i:answer|option|choice)\\**(?i: is|:| would be):?\\**(?i: option| choice)?"
                + BEFORE_LETTER);
    private static final Pattern NAMED_LETTER =
        Pattern.compile("(?i:answer|option|choice)" + BEFORE_LETTER);
    private static final Pattern FIRST_LETTER =
        Pattern.compile("(?:^|(?<!\\bnot)\\s)\\**\\(?([A-J])\\**[).:](?:\\s|$|\\*)");
    private static final Pattern COUNTED = // 3 bolts, but no "3 million", and not "3 and a half"
        Pattern.compile(
            "([-−]?\\$?\\d[\\d,.]*+)"
                + " (?!.*\\b(?:hundred|thousand|[mb]illion|trillion|dozen|and|or|half)\\b)[a-zA-Z]{3,20}(?:"
                + " [a-zA-Z]{1,20}){0,4}\\.?");
    private static final Pattern NUMBERS =
        Pattern.compile(
            "(?<![\\d.])[-−]?\\$?(?:\\d{1,3}(?:,\\d{3})++|\\d++|(?=\\.\\d))(?:\\.\\d++)?(?:/\\d++)?");
    private static final Pattern NOT = Pattern.compile("(?i)\\bnot[\\s$*(\\\\]{1,4}$");
    private static final Pattern SAID =
        Pattern.compile("(?i)\\banswer(?: is| are|:\\*\\*|\\*\\*:|:)[: ]{0,3}(?!$)");
    private static final Pattern SPAN = // the shortest one between signs of mathematics
        Pattern.compile(
            "\\$\\$?([^$]{1,2000}+)\\$|\\\\\\(([^$]{1,500}?)\\\\\\)|\\\\\\[([^$]{1,500}?)\\\\\\]");

    private Extraction() {}

    static boolean isLetter(String text) {
      return !letter(text).isEmpty();
    }

    static String letter(String text) {
      Matcher m = LETTER.matcher(Spelling.untext(text).strip());
      return m.matches() ? m.group(1) : "";
    }

    /** What is said to be the answer, else the last one named as one, else the first letter. */
    static String choice(String text) {
      String boxed = Spelling.untext(boxed(text)).strip();
      String found = letter(boxed.toUpperCase(Locale.ROOT));
      if (found.isEmpty()) {
        found = lastLetter(SAID_LETTER, boxed);
      }
      if (found.isEmpty()) {
        found = lastLetter(NAMED_LETTER, boxed);
      }
      if (found.isEmpty()) {
        Matcher first = FIRST_LETTER.matcher(boxed);
        found = first.find() ? first.group(1) : "";
      }
      return found;
    }

    private static String lastLetter(Pattern pattern, String text) {
      Matcher m = pattern.matcher(text);
      String last = "";
      while (m.find()) {
        last = m.group(1);
      }
      return last;
    }

    /** The number in "3 bolts", a number and what is counted; "" if the text is anything else. */
    static String counted(String text) {
      Matcher m = COUNTED.matcher(text.strip());
      return m.matches() ? m.group(1) : "";
    }

    /** What is boxed or marked, or all. */
    static String marked(String text) {
      String boxed = boxed(text);
      int mark = boxed.lastIndexOf(MARK);
      return mark < 0 ? boxed : boxed.substring(mark + MARK.length());
    }

    static String math(String text) {
      int mark = text.lastIndexOf(MARK);
      if (text.contains(BOXED) || mark >= 0) {
        return marked(text).strip();
      }
      String said = afterLast(SAID, text);
      if (said != null) {
        int line = said.indexOf('\n');
        String rest = (line < 0 ? said : said.substring(0, line)).strip();
        Matcher span = SPAN.matcher(rest);
        if (span.find()) {
          return span.group().strip();
        }
        int stop = rest.indexOf(". ");
        rest = stop < 0 ? rest : rest.substring(0, stop);
        if (MathParser.parse(rest) != null) {
          return rest;
        }
        String number = lastNumber(rest);
        return number == null ? rest : number;
      }
      if (MathParser.parse(text) != null) {
        return text.strip();
      }
      String last = "";
      Matcher span = SPAN.matcher(text);
      while (span.find()) {
        last = denied(text, span.start()) ? last : span.group();
      }
      if (!last.isEmpty()) {
        return last;
      }
      String number = lastNumber(text);
      return number == null ? text.strip() : number;
    }

    private static @Nullable String afterLast(Pattern pattern, String text) {
      Matcher m = pattern.matcher(text);
      int end = -1;
      while (m.find()) {
        end = m.end();
      }
      return end < 0 ? null : text.substring(end);
    }

    static @Nullable String lastNumber(String text) {
      Matcher m = NUMBERS.matcher(text);
      String last = null;
      while (m.find()) {
        if (!m.group().isEmpty() && number(m.group()) != null && !denied(text, m.start())) {
          last = m.group();
        }
      }
      return last;
    }

    /** Whether "not" is right before a place. */
    private static boolean denied(String text, int at) {
      return NOT.matcher(text).region(Math.max(0, at - 8), at).find();
    }

    /** The number that a text is, or null: with thousands separators, a fraction, %, or $. */
    static @Nullable BigDecimal number(String text) {
      if (text.length() > MAX_DIGITS) {
        return null;
      }
      String plain =
          text.replace(",", "")
              .replace("$", "")
              .replace("\\", "")
              .replace("%", "")
              .replace('−', '-')
              .strip();
      int e = Math.max(plain.indexOf('e'), plain.indexOf('E'));
      if (plain.isEmpty() || (e >= 0 && plain.length() - e > MAX_EXPONENT)) {
        return null;
      }
      int slash = plain.indexOf('/');
      try {
        if (slash < 0) {
          return new BigDecimal(plain);
        }
        BigDecimal below = new BigDecimal(plain.substring(slash + 1));
        return below.signum() == 0
            ? null
            : new BigDecimal(plain.substring(0, slash)).divide(below, 40, RoundingMode.HALF_EVEN);
      } catch (NumberFormatException x) {
        return null;
      }
    }

    /** What the last boxes hold that are one answer together, or all of a text without a box. */
    static String boxed(String text) {
      int at = text.lastIndexOf(BOXED);
      if (at < 0) {
        return text;
      }
      String all = content(text, at, text.length());
      String last = all;
      for (int n = 1; n < MAX_BOXES; n++) {
        int before = text.lastIndexOf(BOXED, at - 1);
        int end = before < 0 ? -1 : end(text, before, at);
        if (end < 0 || !BETWEEN_BOXES.matcher(text).region(end + 1, at).matches()) {
          return all;
        }
        String content = content(text, before, end + 1);
        if (!mathematically(content, last)) { // not the same once more
          all = content + ", " + all;
        }
        last = content;
        at = before;
      }
      return all;
    }

    /** What a box holds that begins at a place: to its end, or to that of the text. */
    private static String content(String text, int at, int limit) {
      int from = opening(text, at);
      if (from >= limit || text.charAt(from) != '{') {
        return text.substring(from, Math.min(from + 1, limit));
      }
      int end = end(text, at, limit);
      return text.substring(from + 1, end < 0 ? limit : end);
    }

    /** Where the brace is that closes a box, or -1. */
    private static int end(String text, int at, int limit) {
      int depth = 0;
      for (int i = opening(text, at); i < limit; i++) {
        depth += text.charAt(i) == '{' ? 1 : text.charAt(i) == '}' ? -1 : 0;
        if (depth <= 0) {
          return depth == 0 && text.charAt(i) == '}' ? i : -1;
        }
      }
      return -1;
    }

    private static int opening(String text, int at) {
      int from = at + BOXED.length();
      while (from < text.length() && text.charAt(from) == ' ') {
        from++;
      }
      return from;
    }
  }
}
