package io.lrt4j.evaluation.grade;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The words of a formula, and where its reader is. */
final class Tokens {
  private static final Pattern TOKEN =
      Pattern.compile(
          "\\s*+(?:(?<number>(?:\\d++(?:\\.\\d*+)?|\\.\\d++)(?:[eE][+-]?\\d{1,3}(?![\\d.]))?)"
              + "|(?<command>\\\\(?:[a-zA-Z]++|.))|(?<letters>[a-zA-Z]++)|(?<other>\\S))",
          Pattern.DOTALL);

  static final Map<String, String> SYMBOLS =
      Map.of(
          "\\pi",
          "π",
          "pi",
          "π",
          "π",
          "π",
          "\\infty",
          "∞",
          "infty",
          "∞",
          "infinity",
          "∞",
          "∞",
          "∞",
          "\\emptyset",
          "∅",
          "\\varnothing",
          "∅",
          "\\mathbb",
          "ℝ");

  static final Set<String> FUNCTIONS =
      Set.of(
          "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh",
          "tanh", "ln", "log", "exp");

  /** The text is not a formula that is understood. */
  static final class Unreadable extends Exception {
    private static final long serialVersionUID = 1L;

    Unreadable() {
      super(null, null, false, false);
    }
  }

  private final List<String> tokens = new ArrayList<>();
  private int at;

  private Tokens() {}

  /** Takes a text apart. */
  static Tokens of(String text) throws Unreadable {
    var tokens = new Tokens();
    tokens.tokenize(text);
    return tokens;
  }

  private void tokenize(String text) throws Unreadable {
    Matcher m = TOKEN.matcher(text);
    int end = 0;
    while (end < text.length() && m.find(end) && m.start() == end) {
      end = m.end();
      String token = m.group().strip();
      if (m.group("letters") != null) {
        letters(token);
      } else {
        tokens.add(token);
      }
    }
    if (!text.substring(end).isBlank() || tokens.isEmpty()) {
      throw new Unreadable();
    }
    for (int i = 0; i + 1 < tokens.size(); i++) {
      String next = tokens.get(i + 1);
      if (tokens.get(i).equals("\\frac") && next.matches("\\d\\d+")) { // \frac12
        tokens.set(i + 1, next.substring(0, 1));
        tokens.add(i + 2, next.substring(1));
      }
      String pair = tokens.get(i) + next;
      String joined =
          switch (pair) {
            case "<=" -> "≤";
            case ">=" -> "≥";
            case "!=" -> "≠";
            case "**" -> "^";
            default -> "";
          };
      if (!joined.isEmpty()) {
        tokens.set(i, joined);
        tokens.remove(i + 1);
      }
    }
  }

  /** A known name stays whole; other letters are variables, one each; long words are none. */
  private void letters(String run) throws Unreadable {
    int n = tokens.size();
    boolean environment =
        n > 1
            && tokens.get(n - 1).equals("{")
            && (tokens.get(n - 2).equals("\\begin") || tokens.get(n - 2).equals("\\end"));
    if (environment || FUNCTIONS.contains(run) || SYMBOLS.containsKey(run) || run.equals("sqrt")) {
      tokens.add(run);
    } else if (run.length() <= 3) {
      run.chars().forEach(c -> tokens.add(String.valueOf((char) c)));
    } else {
      throw new Unreadable();
    }
  }

  int at() {
    return at;
  }

  /** Reads again from there on. */
  void back(int to) {
    at = to;
  }

  boolean ended() {
    return at >= tokens.size();
  }

  /** The next one, "" at the end. */
  String peek() {
    return at < tokens.size() ? tokens.get(at) : "";
  }

  boolean take(String token) {
    boolean is = peek().equals(token);
    at += is ? 1 : 0;
    return is;
  }

  void expect(String token) throws Unreadable {
    if (!take(token)) {
      throw new Unreadable();
    }
  }

  String next() throws Unreadable {
    if (ended()) {
      throw new Unreadable();
    }
    return tokens.get(at++);
  }

  void skip() {
    at++;
  }

  /** The one read before. */
  String last() {
    return tokens.get(at - 1);
  }

  /** What stands in braces, as text. */
  String group() throws Unreadable {
    expect("{");
    var text = new StringBuilder();
    while (!take("}")) {
      if (at >= tokens.size()) {
        throw new Unreadable();
      }
      text.append(tokens.get(at++));
    }
    return text.toString();
  }

  static boolean isNumber(String token) {
    char c = token.charAt(0);
    return (c >= '0' && c <= '9') || (c == '.' && token.length() > 1);
  }

  /** Whether {@code \frac} of two whole numbers follows: 1 \frac{1}{2} is one and a half. */
  boolean fractionAhead() {
    if (!peek().equals("\\frac")) {
      return false;
    }
    int next = at + 1;
    for (int i = 0; i < 2; i++) {
      boolean braced = next < tokens.size() && tokens.get(next).equals("{");
      next += braced ? 1 : 0;
      if (next >= tokens.size() || !tokens.get(next).matches("\\d+")) {
        return false;
      }
      next++;
      if (braced && (next >= tokens.size() || !tokens.get(next++).equals("}"))) {
        return false;
      }
    }
    return true;
  }
}
