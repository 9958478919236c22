package io.lrt4j.evaluation.grade;

import io.lrt4j.evaluation.grade.Expr.Binary;
import io.lrt4j.evaluation.grade.Expr.Call;
import io.lrt4j.evaluation.grade.Expr.Num;
import io.lrt4j.evaluation.grade.Expr.Operator;
import io.lrt4j.evaluation.grade.Expr.Sym;
import io.lrt4j.evaluation.grade.Value.Chain;
import io.lrt4j.evaluation.grade.Value.Matrix;
import io.lrt4j.evaluation.grade.Value.Ordered;
import io.lrt4j.evaluation.grade.Value.Scalar;
import io.lrt4j.evaluation.grade.Value.Union;
import io.lrt4j.evaluation.grade.Value.Unordered;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads LaTeX and plain formulas by recursive descent, to a limited depth. */
final class MathParser {
  private static final int MAX_LENGTH = 2_000; // so a formula is never deeper than a stack
  private static final int MAX_DEPTH = 120;
  private static final int MAX_DIGITS = 400;

  private static final Pattern TOKEN =
      Pattern.compile(
          "\\s*+(?:(?<number>(?:\\d++(?:\\.\\d*+)?|\\.\\d++)(?:[eE][+-]?\\d{1,3}(?![\\d.]))?)"
              + "|(?<command>\\\\(?:[a-zA-Z]++|.))|(?<letters>[a-zA-Z]++)|(?<other>\\S))",
          Pattern.DOTALL);

  private static final Map<String, String> SYMBOLS =
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

  private static final Set<String> FUNCTIONS =
      Set.of(
          "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh",
          "tanh", "ln", "log", "exp");

  private static final Set<String> GREEK =
      Set.of(
          "\\alpha",
          "\\beta",
          "\\gamma",
          "\\delta",
          "\\epsilon",
          "\\varepsilon",
          "\\theta",
          "\\lambda",
          "\\mu",
          "\\nu",
          "\\rho",
          "\\sigma",
          "\\tau",
          "\\phi",
          "\\varphi",
          "\\omega",
          "\\Delta",
          "\\Omega",
          "\\ell");

  private static final Map<String, String> RELATIONS =
      Map.ofEntries(
          Map.entry("=", "="),
          Map.entry("<", "<"),
          Map.entry(">", ">"),
          Map.entry("\\lt", "<"),
          Map.entry("\\gt", ">"),
          Map.entry("\\le", "≤"),
          Map.entry("\\leq", "≤"),
          Map.entry("\\leqslant", "≤"),
          Map.entry("≤", "≤"),
          Map.entry("\\ge", "≥"),
          Map.entry("\\geq", "≥"),
          Map.entry("\\geqslant", "≥"),
          Map.entry("≥", "≥"),
          Map.entry("\\ne", "≠"),
          Map.entry("\\neq", "≠"),
          Map.entry("≠", "≠"),
          Map.entry("\\approx", "≈"),
          Map.entry("≈", "≈"));

  /** The text is not a formula that is understood. */
  private static final class Unreadable extends Exception {
    private static final long serialVersionUID = 1L;

    Unreadable() {
      super(null, null, false, false);
    }
  }

  private final List<String> tokens = new ArrayList<>();
  private int at;
  private int depth;

  private MathParser() {}

  /** What a text means, or null if it is not understood as mathematics. */
  static @Nullable Value parse(String text) {
    if (text.length() > MAX_LENGTH) {
      return null;
    }
    var parser = new MathParser();
    try {
      parser.tokenize(Spelling.plain(text));
      Value value = parser.list();
      return parser.at == parser.tokens.size() ? value : null;
    } catch (Unreadable e) {
      return null;
    }
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

  private String peek() {
    return at < tokens.size() ? tokens.get(at) : "";
  }

  private boolean take(String token) {
    boolean is = peek().equals(token);
    at += is ? 1 : 0;
    return is;
  }

  private void expect(String token) throws Unreadable {
    if (!take(token)) {
      throw new Unreadable();
    }
  }

  private void deeper() throws Unreadable {
    if (++depth > MAX_DEPTH) {
      throw new Unreadable();
    }
  }

  /** Items between commas; one alone is itself. */
  private Value list() throws Unreadable {
    List<Value> items = items();
    return items.size() == 1 ? items.getFirst() : new Unordered(items);
  }

  private List<Value> items() throws Unreadable {
    List<Value> items = new ArrayList<>();
    do {
      items.add(union());
    } while (take(",") || take(";"));
    return items;
  }

  private Value union() throws Unreadable {
    List<Value> parts = new ArrayList<>();
    do {
      parts.add(item());
    } while (take("\\cup") || take("∪"));
    return parts.size() == 1 ? parts.getFirst() : new Union(parts);
  }

  /** A formula with relations, or something in brackets that is more than one. */
  private Value item() throws Unreadable {
    deeper();
    try {
      int start = at;
      Value bracketed = brackets();
      if (bracketed != null) {
        return bracketed;
      }
      at = start;
      List<Expr> terms = new ArrayList<>();
      var relations = new StringBuilder();
      Expr first = sum();
      if (first instanceof Sym && (take("\\in") || take("∈"))) {
        return union();
      }
      terms.add(first);
      boolean percent = percent();
      boolean rounded = false;
      while (RELATIONS.containsKey(peek())) {
        String relation = Objects.requireNonNull(RELATIONS.get(tokens.get(at++)));
        int before = at;
        Expr next = sumOrNull();
        if (next == null) { // x = (1, 2)
          at = before;
          Value whole = relation.equals("=") && first instanceof Sym ? brackets() : null;
          if (whole == null) {
            throw new Unreadable();
          }
          return whole;
        }
        percent = percent();
        boolean approximate = relation.equals("≈");
        rounded |= approximate && (terms.size() > 1 || !(first instanceof Sym));
        if (!rounded) { // what is approximated comes before
          terms.add(next);
          relations.append(approximate ? "=" : relation);
        }
      }
      return terms.size() == 1
          ? new Scalar(first, percent)
          : new Chain(terms, relations.toString());
    } finally {
      depth--;
    }
  }

  private boolean percent() {
    return take("%") || take("\\%");
  }

  private @Nullable Expr sumOrNull() {
    try {
      return sum();
    } catch (Unreadable e) {
      return null;
    }
  }

  /** A tuple, interval, set or matrix that nothing follows; null for what is a formula. */
  private @Nullable Value brackets() throws Unreadable {
    if (take("\\begin")) {
      return matrix();
    }
    boolean set = peek().equals("\\{");
    String open = peek();
    if (!set && !open.equals("(") && !open.equals("[")) {
      return null;
    }
    at++;
    List<Value> items;
    try {
      items = items();
    } catch (Unreadable e) {
      return null;
    }
    String close = peek();
    at++;
    boolean ended =
        at >= tokens.size()
            || Set.of(",", ";", "\\cup", "∪", ")", "]", "\\}", "}", "&", "\\\\").contains(peek());
    if (set && close.equals("\\}") && ended) {
      return new Unordered(items);
    }
    if (items.getFirst() instanceof Matrix m && items.size() == 1 && ended) {
      return m; // brackets around an array
    }
    if (!set && (close.equals(")") || close.equals("]")) && ended && items.size() > 1) {
      return new Ordered(open.charAt(0), items, close.charAt(0));
    }
    return null;
  }

  private String group() throws Unreadable {
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

  private Matrix matrix() throws Unreadable {
    String kind = group();
    if (!kind.endsWith("matrix") && !kind.equals("array")) {
      throw new Unreadable();
    }
    if (kind.equals("array") && peek().equals("{")) {
      group();
    }
    List<List<Value>> rows = new ArrayList<>();
    while (!take("\\end")) {
      List<Value> row = new ArrayList<>();
      do {
        row.add(item());
      } while (take("&"));
      rows.add(row);
      if (!take("\\\\") && !peek().equals("\\end")) {
        throw new Unreadable();
      }
    }
    group();
    return new Matrix(rows);
  }

  private Expr sum() throws Unreadable {
    deeper();
    try {
      Expr left = product();
      while (true) {
        Operator operator =
            switch (peek()) {
              case "+" -> Operator.PLUS;
              case "-", "−", "–" -> Operator.MINUS;
              case "\\pm", "±" -> Operator.PLUS_MINUS;
              case "\\mp", "∓" -> Operator.MINUS_PLUS;
              default -> null;
            };
        if (operator == null) {
          return left;
        }
        at++;
        left = new Binary(operator, left, product());
      }
    } finally {
      depth--;
    }
  }

  private Expr product() throws Unreadable {
    Expr left = signed();
    while (true) {
      switch (peek()) {
        case "*", "\\cdot", "\\times", "×", "·", "\\ast" -> {
          at++;
          left = new Binary(Operator.TIMES, left, signed());
        }
        case "/", "\\div", "÷" -> {
          at++;
          left = new Binary(Operator.OVER, left, signed());
        }
        default -> {
          if (!startsFactor(peek())) {
            return left;
          }
          boolean mixed = isWhole(left) && isNumber(tokens.get(at - 1)) && fractionAhead();
          Expr right = power();
          left = new Binary(mixed ? Operator.PLUS : Operator.TIMES, left, right);
        }
      }
    }
  }

  private static boolean isWhole(Expr e) {
    return e instanceof Num n && !n.decimal();
  }

  private static boolean isNumber(String token) {
    char c = token.charAt(0);
    return (c >= '0' && c <= '9') || (c == '.' && token.length() > 1);
  }

  /** Whether {@code \frac} of two whole numbers follows: 1 \frac{1}{2} is one and a half. */
  private boolean fractionAhead() {
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

  private boolean startsFactor(String token) {
    if (token.isEmpty()) {
      return false;
    }
    char c = token.charAt(0);
    return Character.isLetterOrDigit(c)
        || SYMBOLS.containsKey(token)
        || GREEK.contains(token)
        || token.equals("(")
        || token.equals("[")
        || token.equals("{")
        || isNumber(token)
        || token.equals("\\frac")
        || token.equals("\\sqrt")
        || token.equals("\\binom")
        || (c == '\\' && FUNCTIONS.contains(token.substring(1)))
        || token.equals("\\lfloor")
        || token.equals("\\lceil");
  }

  private Expr signed() throws Unreadable {
    deeper();
    try {
      return switch (peek()) {
        case "-", "−", "–" -> {
          at++;
          yield new Call("neg", signed());
        }
        case "+" -> {
          at++;
          yield signed();
        }
        case "\\pm", "±" -> {
          at++;
          yield new Binary(Operator.PLUS_MINUS, new Num(Rational.of(0), false), signed());
        }
        default -> power();
      };
    } finally {
      depth--;
    }
  }

  private Expr power() throws Unreadable {
    Expr base = atom();
    while (true) {
      if (take("!")) {
        base = new Call("factorial", base);
      } else if (take("^")) {
        return new Binary(Operator.POWER, base, take("-") ? new Call("neg", atom()) : atom());
      } else {
        return base;
      }
    }
  }

  private static Expr number(String digits) throws Unreadable {
    if (digits.length() > MAX_DIGITS) {
      throw new Unreadable();
    }
    boolean decimal = digits.matches(".*[.eE].*");
    Rational value = Rational.of(new BigDecimal(digits.endsWith(".") ? digits + "0" : digits));
    if (value == null) {
      throw new Unreadable();
    }
    return new Num(value, decimal);
  }

  /** A number, a name, a function, or something in brackets. */
  private Expr atom() throws Unreadable {
    deeper();
    try {
      if (at >= tokens.size()) {
        throw new Unreadable();
      }
      String token = tokens.get(at++);
      if (isNumber(token)) {
        return peek().equals("_") ? subscripted(token) : number(token);
      }
      if (SYMBOLS.containsKey(token)) {
        if (token.equals("\\mathbb")) {
          return new Sym("ℝ" + group());
        }
        return new Sym(Objects.requireNonNull(SYMBOLS.get(token)));
      }
      String name = token.startsWith("\\") ? token.substring(1) : token;
      if (FUNCTIONS.contains(name)) {
        return function(name);
      }
      return switch (token) {
        case "(" -> closed(")");
        case "[" -> closed("]");
        case "{" -> closed("}");
        case "|" -> new Call("abs", closed("|"));
        case "\\lfloor" -> new Call("floor", closed("\\rfloor"));
        case "\\lceil" -> new Call("ceil", closed("\\rceil"));
        case "\\frac" -> new Binary(Operator.OVER, atom(), atom());
        case "\\binom" -> {
          Expr n = atom();
          Expr k = atom();
          Expr below =
              new Binary(
                  Operator.TIMES,
                  new Call("factorial", k),
                  new Call("factorial", new Binary(Operator.MINUS, n, k)));
          yield new Binary(Operator.OVER, new Call("factorial", n), below);
        }
        case "\\sqrt", "sqrt", "√" -> root();
        default -> {
          if (GREEK.contains(token)
              || (token.length() == 1 && Character.isLetter(token.charAt(0)))) {
            yield peek().equals("_") ? subscripted(token) : new Sym(token);
          }
          throw new Unreadable();
        }
      };
    } finally {
      depth--;
    }
  }

  private Expr closed(String end) throws Unreadable {
    Expr inner = sum();
    expect(end);
    return inner;
  }

  private Expr root() throws Unreadable {
    if (!take("[")) {
      return new Call("sqrt", atom());
    }
    Expr degree = closed("]");
    Expr inverse = new Binary(Operator.OVER, new Num(Rational.ONE, false), degree);
    return new Binary(Operator.POWER, atom(), inverse);
  }

  /** {@code x_1}, {@code a_{n}}, and {@code 52_8}, a number in another base: names of their own. */
  private Expr subscripted(String token) throws Unreadable {
    expect("_");
    if (at >= tokens.size()) {
      throw new Unreadable();
    }
    return new Sym(token + "_" + (peek().equals("{") ? group() : tokens.get(at++)));
  }

  private Expr function(String name) throws Unreadable {
    Expr base = null;
    Expr exponent = null;
    if (name.equals("log") && take("_")) {
      base = atom();
    }
    if (take("^")) {
      exponent = atom();
    }
    Expr argument = signedProduct();
    Expr value = new Call(name, argument);
    if (base != null) {
      value = new Binary(Operator.OVER, value, new Call("log", base));
    }
    return exponent == null ? value : new Binary(Operator.POWER, value, exponent);
  }

  /** What a function without brackets is of: {@code \sin 2x}, but not beyond another function. */
  private Expr signedProduct() throws Unreadable {
    if (peek().equals("(") || peek().equals("{")) {
      return power();
    }
    Expr left = signed();
    while (startsFactor(peek()) && !isFunction(peek()) && !peek().equals("(")) {
      left = new Binary(Operator.TIMES, left, power());
    }
    return left;
  }

  private static boolean isFunction(String token) {
    return FUNCTIONS.contains(token.startsWith("\\") ? token.substring(1) : token);
  }
}
