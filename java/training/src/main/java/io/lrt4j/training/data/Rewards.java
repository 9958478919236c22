package io.lrt4j.training.data;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Verifiable rewards: 1 for a right answer, 0 for any other text. */
public enum Rewards implements Reward {
  /** By the look of what is right: a letter, LaTeX, or a number. */
  AUTO {
    @Override
    public double score(String answer, String truth) {
      String t = truth.strip();
      if (LETTER.matcher(t).matches()) {
        return CHOICE.score(answer, truth);
      }
      return answer.contains(BOXED_COMMAND) || number(t) == null
          ? BOXED.score(answer, truth)
          : NUMBER.score(answer, truth);
    }
  },

  /** The last number of the answer. */
  NUMBER {
    @Override
    public double score(String answer, String truth) {
      BigDecimal expected = number(truth.strip());
      BigDecimal found = lastNumber(answer);
      return expected != null && found != null && expected.compareTo(found) == 0 ? 1 : 0;
    }
  },

  /** The content of the last {@code \boxed{…}}, or the whole answer without one. */
  BOXED {
    @Override
    public double score(String answer, String truth) {
      String found = normalise(boxed(answer));
      String expected = normalise(boxed(truth));
      if (found.isEmpty()) {
        return 0;
      }
      BigDecimal a = number(found);
      BigDecimal b = number(expected);
      if (a != null && b != null) {
        return a.compareTo(b) == 0 ? 1 : 0;
      }
      return found.equals(expected) ? 1 : 0;
    }
  },

  /** The letter of a choice, A to J. */
  CHOICE {
    @Override
    public double score(String answer, String truth) {
      String boxed = boxed(answer).strip();
      String found = "";
      if (LETTER.matcher(boxed).matches()) {
        found = letter(boxed);
      } else {
        Matcher said = SAID_LETTER.matcher(boxed);
        while (said.find()) {
          found = said.group(1);
        }
        if (found.isEmpty()) {
          Matcher first = FIRST_LETTER.matcher(boxed);
          found = first.find() ? first.group(1) : "";
        }
      }
      return !found.isEmpty() && found.equals(letter(truth)) ? 1 : 0;
    }
  };

  private static final String BOXED_COMMAND = "\\boxed{";
  private static final int MAX_DIGITS = 400; // beyond it, text is not taken for a number
  private static final Pattern LETTER = Pattern.compile("\\(?([A-J])\\)?[.:]?");
  private static final Pattern SAID_LETTER =
      Pattern.compile("(?i:answer|option|choice)(?i: is|:| would be)?:? {0,3}\\(?([A-J])\\b");
  private static final Pattern FIRST_LETTER = Pattern.compile("(?:^|\\s)\\(?([A-J])[).:](?:\\s|$)");
  private static final Pattern NUMBERS =
      Pattern.compile("(?<![\\d.])-?\\$?(?:\\d{1,3}(?:,\\d{3})++|\\d++)(?:\\.\\d++)?(?:/\\d++)?");

  private static String letter(String text) {
    Matcher m = LETTER.matcher(text.strip());
    return m.matches() ? m.group(1) : "";
  }

  private static @Nullable BigDecimal lastNumber(String text) {
    Matcher m = NUMBERS.matcher(text);
    BigDecimal last = null;
    while (m.find()) {
      last = number(m.group());
    }
    return last;
  }

  /** The number that a text is, or null: with thousands separators, a fraction, %, or $. */
  private static @Nullable BigDecimal number(String text) {
    String plain = text.replace(",", "").replace("$", "").replace("%", "").strip();
    if (plain.length() > MAX_DIGITS || plain.isEmpty()) {
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
    } catch (NumberFormatException e) {
      return null;
    }
  }

  /** What the last {@code \boxed{…}} holds, or all of the text. */
  private static String boxed(String text) {
    int at = text.lastIndexOf(BOXED_COMMAND);
    if (at < 0) {
      return text;
    }
    int from = at + BOXED_COMMAND.length();
    int depth = 1;
    for (int i = from; i < text.length(); i++) {
      depth += text.charAt(i) == '{' ? 1 : text.charAt(i) == '}' ? -1 : 0;
      if (depth == 0) {
        return text.substring(from, i);
      }
    }
    return text.substring(from);
  }

  /** One spelling for what LaTeX can spell in several ways. */
  private static String normalise(String latex) {
    String s = latex.strip();
    s = s.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac");
    s = s.replace("\\left", "").replace("\\right", "").replace("\\!", "").replace("\\,", "");
    s = s.replace("^\\circ", "").replace("^{\\circ}", "").replace("\\$", "").replace("$", "");
    s = s.replace("\\%", "").replace("%", "").replace("\\ ", " ");
    s = s.replaceAll("\\\\(?:text|mathrm|mbox)\\{([^{}]*)\\}", "$1");
    s = s.replaceAll("\\\\frac\\{(-?\\d+)\\}\\{(\\d+)\\}", "$1/$2");
    s = s.replaceAll("\\\\frac(\\d)(\\d)", "$1/$2");
    s = s.replaceAll("\\s+", "");
    s = s.endsWith(".") ? s.substring(0, s.length() - 1) : s;
    return s.toLowerCase(Locale.ROOT);
  }
}
