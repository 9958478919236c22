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
import org.jspecify.annotations.Nullable;

/** Reads LaTeX and plain formulas by recursive descent, to a limited depth. */
final class MathParser {
  private static final int MAX_LENGTH = 2_000; // so a formula is never deeper than a stack
  private static final int MAX_DEPTH = 120;
  private static final int MAX_DIGITS = 400;

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

  private final Tokens in;
  private int depth;

  private MathParser(Tokens in) {
    this.in = in;
  }

  /** What a text means, or null if it is not understood as mathematics. */
  static @Nullable Value parse(String text) {
    if (text.length() > MAX_LENGTH) {
      return null;
    }
    try {
      Tokens tokens = Tokens.of(Spelling.plain(text));
      Value value = new MathParser(tokens).list();
      return tokens.ended() ? value : null;
    } catch (Tokens.Unreadable e) {
      return null;
    }
  }

  private void deeper() throws Tokens.Unreadable {
    if (++depth > MAX_DEPTH) {
      throw new Tokens.Unreadable();
    }
  }

  /** Items between commas; one alone is itself. */
  private Value list() throws Tokens.Unreadable {
    List<Value> items = items();
    return items.size() == 1 ? items.getFirst() : new Unordered(items);
  }

  private List<Value> items() throws Tokens.Unreadable {
    List<Value> items = new ArrayList<>();
    do {
      items.add(union());
    } while (in.take(",") || in.take(";"));
    return items;
  }

  private Value union() throws Tokens.Unreadable {
    List<Value> parts = new ArrayList<>();
    do {
      parts.add(item());
    } while (in.take("\\cup") || in.take("∪"));
    return parts.size() == 1 ? parts.getFirst() : new Union(parts);
  }

  /** A formula with relations, or something in brackets that is more than one. */
  private Value item() throws Tokens.Unreadable {
    deeper();
    try {
      int start = in.at();
      Value bracketed = brackets();
      if (bracketed != null) {
        return bracketed;
      }
      in.back(start);
      List<Expr> terms = new ArrayList<>();
      var relations = new StringBuilder();
      Expr first = sum();
      if (first instanceof Sym && (in.take("\\in") || in.take("∈"))) {
        return union();
      }
      terms.add(first);
      boolean percent = percent();
      boolean rounded = false;
      while (RELATIONS.containsKey(in.peek())) {
        String relation = Objects.requireNonNull(RELATIONS.get(in.next()));
        int before = in.at();
        Expr next = sumOrNull();
        if (next == null) { // x = (1, 2)
          in.back(before);
          Value whole = relation.equals("=") && first instanceof Sym ? brackets() : null;
          if (whole == null) {
            throw new Tokens.Unreadable();
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
    return in.take("%") || in.take("\\%");
  }

  private @Nullable Expr sumOrNull() {
    try {
      return sum();
    } catch (Tokens.Unreadable e) {
      return null;
    }
  }

  /** A tuple, interval, set or matrix that nothing follows; null for what is a formula. */
  private @Nullable Value brackets() throws Tokens.Unreadable {
    if (in.take("\\begin")) {
      return matrix();
    }
    boolean set = in.peek().equals("\\{");
    String open = in.peek();
    if (!set && !open.equals("(") && !open.equals("[")) {
      return null;
    }
    in.skip();
    List<Value> items;
    try {
      items = items();
    } catch (Tokens.Unreadable e) {
      return null;
    }
    String close = in.peek();
    in.skip();
    if (open.equals("(") && close.equals(")") && areNames(items) && in.take("=")) {
      return brackets(); // (x, y) = (1, 2)
    }
    boolean ended =
        in.ended()
            || Set.of(",", ";", "\\cup", "∪", ")", "]", "\\}", "}", "&", "\\\\")
                .contains(in.peek());
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

  private static boolean areNames(List<Value> items) {
    return items.size() > 1
        && items.stream()
            .allMatch(
                i -> i instanceof Scalar(Sym s, boolean percent) && s.isVariable() && !percent);
  }

  private Matrix matrix() throws Tokens.Unreadable {
    String kind = in.group();
    if (!kind.endsWith("matrix") && !kind.equals("array")) {
      throw new Tokens.Unreadable();
    }
    if (kind.equals("array") && in.peek().equals("{")) {
      in.group();
    }
    List<List<Value>> rows = new ArrayList<>();
    while (!in.take("\\end")) {
      List<Value> row = new ArrayList<>();
      do {
        row.add(item());
      } while (in.take("&"));
      rows.add(row);
      if (!in.take("\\\\") && !in.peek().equals("\\end")) {
        throw new Tokens.Unreadable();
      }
    }
    in.group();
    return new Matrix(rows);
  }

  private Expr sum() throws Tokens.Unreadable {
    deeper();
    try {
      Expr left = product();
      while (true) {
        Operator operator =
            switch (in.peek()) {
              case "+" -> Operator.PLUS;
              case "-", "−", "–" -> Operator.MINUS;
              case "\\pm", "±" -> Operator.PLUS_MINUS;
              case "\\mp", "∓" -> Operator.MINUS_PLUS;
              default -> null;
            };
        if (operator == null) {
          return left;
        }
        in.skip();
        left = new Binary(operator, left, product());
      }
    } finally {
      depth--;
    }
  }

  private Expr product() throws Tokens.Unreadable {
    Expr left = signed();
    while (true) {
      switch (in.peek()) {
        case "*", "\\cdot", "\\times", "×", "·", "\\ast" -> {
          in.skip();
          left = new Binary(Operator.TIMES, left, signed());
        }
        case "/", "\\div", "÷" -> {
          in.skip();
          left = new Binary(Operator.OVER, left, signed());
        }
        default -> {
          if (!startsFactor(in.peek())) {
            return left;
          }
          if (Tokens.isNumber(in.last()) && Tokens.isNumber(in.peek())) {
            throw new Tokens.Unreadable(); // "3 4" is not 12
          }
          boolean mixed = isWhole(left) && Tokens.isNumber(in.last()) && in.fractionAhead();
          Expr right = power();
          left = new Binary(mixed ? Operator.PLUS : Operator.TIMES, left, right);
        }
      }
    }
  }

  private static boolean isWhole(Expr e) {
    return e instanceof Num n && !n.decimal();
  }

  private boolean startsFactor(String token) {
    if (token.isEmpty()) {
      return false;
    }
    char c = token.charAt(0);
    return Character.isLetterOrDigit(c)
        || Tokens.SYMBOLS.containsKey(token)
        || GREEK.contains(token)
        || token.equals("(")
        || token.equals("[")
        || token.equals("{")
        || Tokens.isNumber(token)
        || token.equals("\\frac")
        || token.equals("\\sqrt")
        || token.equals("√")
        || token.equals("\\binom")
        || (c == '\\' && Tokens.FUNCTIONS.contains(token.substring(1)))
        || token.equals("\\lfloor")
        || token.equals("\\lceil");
  }

  private Expr signed() throws Tokens.Unreadable {
    deeper();
    try {
      return switch (in.peek()) {
        case "-", "−", "–" -> {
          in.skip();
          yield new Call("neg", signed());
        }
        case "+" -> {
          in.skip();
          yield signed();
        }
        case "\\pm", "±" -> {
          in.skip();
          yield new Binary(Operator.PLUS_MINUS, new Num(Rational.of(0), false), signed());
        }
        default -> power();
      };
    } finally {
      depth--;
    }
  }

  private Expr power() throws Tokens.Unreadable {
    Expr base = atom();
    while (true) {
      if (in.take("!")) {
        base = new Call("factorial", base);
      } else if (in.take("^")) {
        return new Binary(Operator.POWER, base, in.take("-") ? new Call("neg", atom()) : atom());
      } else {
        return base;
      }
    }
  }

  private static Expr number(String digits) throws Tokens.Unreadable {
    if (digits.length() > MAX_DIGITS) {
      throw new Tokens.Unreadable();
    }
    boolean decimal = digits.matches(".*[.eE].*");
    Rational value = Rational.of(new BigDecimal(digits.endsWith(".") ? digits + "0" : digits));
    if (value == null) {
      throw new Tokens.Unreadable();
    }
    return new Num(value, decimal);
  }

  /** A number, a name, a function, or something in brackets. */
  private Expr atom() throws Tokens.Unreadable {
    deeper();
    try {
      String token = in.next();
      if (Tokens.isNumber(token)) {
        return in.peek().equals("_") ? subscripted(token) : number(token);
      }
      if (Tokens.SYMBOLS.containsKey(token)) {
        if (token.equals("\\mathbb")) {
          return new Sym("ℝ" + in.group());
        }
        return new Sym(Objects.requireNonNull(Tokens.SYMBOLS.get(token)));
      }
      String name = token.startsWith("\\") ? token.substring(1) : token;
      if (Tokens.FUNCTIONS.contains(name)) {
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
            yield in.peek().equals("_") ? subscripted(token) : new Sym(token);
          }
          throw new Tokens.Unreadable();
        }
      };
    } finally {
      depth--;
    }
  }

  private Expr closed(String end) throws Tokens.Unreadable {
    Expr inner = sum();
    in.expect(end);
    return inner;
  }

  private Expr root() throws Tokens.Unreadable {
    if (!in.take("[")) {
      return new Call("sqrt", atom());
    }
    Expr degree = closed("]");
    Expr inverse = new Binary(Operator.OVER, new Num(Rational.ONE, false), degree);
    return new Binary(Operator.POWER, atom(), inverse);
  }

  /** {@code x_1}, {@code a_{n}}, and {@code 52_8}, a number in another base: names of their own. */
  private Expr subscripted(String token) throws Tokens.Unreadable {
    in.expect("_");
    return new Sym(token + "_" + (in.peek().equals("{") ? in.group() : in.next()));
  }

  private Expr function(String name) throws Tokens.Unreadable {
    Expr base = null;
    Expr exponent = null;
    if (name.equals("log") && in.take("_")) {
      base = atom();
    }
    if (in.take("^")) {
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
  private Expr signedProduct() throws Tokens.Unreadable {
    if (in.peek().equals("(") || in.peek().equals("{")) {
      return power();
    }
    Expr left = signed();
    while (startsFactor(in.peek()) && !isFunction(in.peek()) && !in.peek().equals("(")) {
      left = new Binary(Operator.TIMES, left, power());
    }
    return left;
  }

  private static boolean isFunction(String token) {
    return Tokens.FUNCTIONS.contains(token.startsWith("\\") ? token.substring(1) : token);
  }
}
