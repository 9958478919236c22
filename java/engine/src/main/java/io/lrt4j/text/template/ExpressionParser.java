package io.lrt4j.text.template;

import io.lrt4j.text.template.Expr.CallArguments;
import io.lrt4j.text.template.Token.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads expressions, by recursive descent: one method for each precedence, loosest first. */
class ExpressionParser {
  private static final int MAX_DEPTH = 100;

  private final List<Token> tokens;
  private int next;
  private int depth;

  /** Names read since {@link #names} was last emptied; a macro asks for three of them. */
  private final Set<String> names = new HashSet<>();

  /** Filters and tests that do not exist: fatal, unless they stand where they may never run. */
  private final List<SyntaxFault> unknown = new ArrayList<>();

  ExpressionParser(List<Token> tokens) {
    this.tokens = tokens;
  }

  final Token peek() {
    return tokens.get(next);
  }

  private Token peekSecond() {
    return tokens.get(Math.min(next + 1, tokens.size() - 1));
  }

  final Token take() {
    return tokens.get(next < tokens.size() - 1 ? next++ : next);
  }

  final int line() {
    return peek().line();
  }

  final SyntaxFault fault(String message) {
    return new SyntaxFault(message, line());
  }

  final boolean skipName(String name) {
    return peek().isName(name) && take() != null;
  }

  final boolean skipOperator(String operator) {
    return peek().isOperator(operator) && take() != null;
  }

  final void expectName(String name) {
    if (!skipName(name)) {
      throw fault("expected '" + name + "', found " + peek().describe());
    }
  }

  final void expectOperator(String operator) {
    if (!skipOperator(operator)) {
      throw fault("expected '" + operator + "', found " + peek().describe());
    }
  }

  final Token expect(Kind kind) {
    if (peek().kind() != kind) {
      throw fault("expected " + kind + ", found " + peek().describe());
    }
    return take();
  }

  final void enter() {
    if (++depth > MAX_DEPTH) {
      throw fault("it nests deeper than " + MAX_DEPTH + " levels");
    }
  }

  final void leave() {
    depth--;
  }

  final Set<String> names() {
    return names;
  }

  /** A mark for {@link #forgive}. */
  final int unknowns() {
    return unknown.size();
  }

  /** What was unknown since the mark may never run: left to fail when it does. */
  final void forgive(int mark) {
    unknown.subList(mark, unknown.size()).clear();
  }

  final void refuseUnknown() {
    if (!unknown.isEmpty()) {
      throw unknown.getFirst();
    }
  }

  /** An expression, or several with commas between them: a tuple. */
  final Expr tuple(boolean withConditional, @Nullable String end) {
    int line = line();
    var first = withConditional ? expression() : or();
    if (!peek().isOperator(",")) {
      return first;
    }
    var items = new ArrayList<Expr>();
    items.add(first);
    while (skipOperator(",") && !atTupleEnd(end)) {
      items.add(withConditional ? expression() : or());
    }
    return new Expr.Sequence(items, true, line);
  }

  final boolean atTupleEnd(@Nullable String end) {
    var token = peek();
    return token.kind() == Kind.VARIABLE_END
        || token.kind() == Kind.BLOCK_END
        || token.isOperator(")")
        || (end != null && token.isName(end));
  }

  final Expr expression() {
    enter();
    int line = line();
    int mark = unknowns();
    var value = or();
    while (skipName("if")) {
      var test = or();
      var otherwise = skipName("else") ? expression() : null;
      forgive(mark);
      value = new Expr.Conditional(test, value, otherwise, line);
    }
    leave();
    return value;
  }

  private Expr or() {
    int line = line();
    var left = and();
    while (skipName("or")) {
      left = new Expr.Logical(false, left, and(), line);
    }
    return left;
  }

  private Expr and() {
    int line = line();
    var left = not();
    while (skipName("and")) {
      left = new Expr.Logical(true, left, not(), line);
    }
    return left;
  }

  private Expr not() {
    int line = line();
    if (!skipName("not")) {
      return comparison();
    }
    enter();
    var operand = not();
    leave();
    return new Expr.Unary("not", operand, line);
  }

  private Expr comparison() {
    int line = line();
    var first = sum();
    var operators = new ArrayList<String>();
    var rest = new ArrayList<Expr>();
    for (var operator = comparisonOperator(); operator != null; operator = comparisonOperator()) {
      operators.add(operator);
      rest.add(sum());
    }
    return rest.isEmpty() ? first : new Expr.Comparison(first, operators, rest, line);
  }

  private @Nullable String comparisonOperator() {
    var token = peek();
    if (token.kind() == Kind.OPERATOR) {
      return switch (token.text()) {
        case "==", "!=", "<", "<=", ">", ">=" -> take().text();
        default -> null;
      };
    }
    if (token.isName("not") && peekSecond().isName("in")) {
      take();
      take();
      return "not in";
    }
    return skipName("in") ? "in" : null;
  }

  private Expr sum() {
    int line = line();
    var left = concat();
    while (peek().isOperator("+") || peek().isOperator("-")) {
      left = new Expr.Binary(take().text(), left, concat(), line);
    }
    return left;
  }

  private Expr concat() {
    int line = line();
    var first = product();
    if (!peek().isOperator("~")) {
      return first;
    }
    var parts = new ArrayList<Expr>();
    parts.add(first);
    while (skipOperator("~")) {
      parts.add(product());
    }
    return new Expr.Concat(parts, line);
  }

  private Expr product() {
    int line = line();
    var left = power();
    while (peek().kind() == Kind.OPERATOR && List.of("*", "/", "//", "%").contains(peek().text())) {
      left = new Expr.Binary(take().text(), left, power(), line);
    }
    return left;
  }

  private Expr power() {
    int line = line();
    var left = unary(true);
    while (skipOperator("**")) {
      left = new Expr.Binary("**", left, unary(true), line);
    }
    return left;
  }

  private Expr unary(boolean withFilters) {
    int line = line();
    Expr value;
    if (peek().isOperator("-") || peek().isOperator("+")) {
      enter();
      value = new Expr.Unary(take().text(), unary(false), line);
      leave();
    } else {
      value = primary();
    }
    value = postfix(value);
    return withFilters ? filters(value) : value;
  }

  final Expr primary() {
    var token = take();
    int line = token.line();
    return switch (token.kind()) {
      case NAME ->
          switch (token.text()) {
            case "true", "True" -> new Expr.Constant(true, line);
            case "false", "False" -> new Expr.Constant(false, line);
            case "none", "None" -> new Expr.Constant(Value.None.NONE, line);
            default -> {
              names.add(token.text());
              yield new Expr.Name(token.text(), line);
            }
          };
      case STRING -> {
        var text = new StringBuilder(token.text());
        while (peek().kind() == Kind.STRING) {
          text.append(take().text());
        }
        yield new Expr.Constant(text.toString(), line);
      }
      case INTEGER -> new Expr.Constant(integer(token), line);
      case FLOAT -> new Expr.Constant(Double.parseDouble(token.text()), line);
      case OPERATOR ->
          switch (token.text()) {
            case "(" -> parentheses(line);
            case "[" -> list(line);
            case "{" -> dict(line);
            default -> throw new SyntaxFault("unexpected " + token.describe(), line);
          };
      default -> throw new SyntaxFault("expected an expression, found " + token.describe(), line);
    };
  }

  private static Object integer(Token token) {
    var text = token.text();
    boolean prefixed = text.length() > 1 && Character.isLetter(text.charAt(1));
    int radix =
        !prefixed
            ? 10
            : switch (Character.toLowerCase(text.charAt(1))) {
              case 'x' -> 16;
              case 'o' -> 8;
              default -> 2;
            };
    boolean octal = !prefixed && text.startsWith("0") && !text.matches("0+");
    if (octal || text.length() > 1000 || (prefixed && text.length() == 2)) {
      throw new SyntaxFault("'" + text + "' is no integer", token.line());
    }
    return Value.of(new BigInteger(prefixed ? text.substring(2) : text, radix));
  }

  private Expr parentheses(int line) {
    enter();
    var value =
        peek().isOperator(")") ? new Expr.Sequence(List.of(), true, line) : tuple(true, null);
    expectOperator(")");
    leave();
    return value;
  }

  private Expr list(int line) {
    var items = new ArrayList<Expr>();
    while (!peek().isOperator("]")) {
      items.add(expression());
      if (!skipOperator(",")) {
        break;
      }
    }
    expectOperator("]");
    return new Expr.Sequence(items, false, line);
  }

  private Expr dict(int line) {
    var entries = new ArrayList<Map.Entry<Expr, Expr>>();
    while (!peek().isOperator("}")) {
      var key = expression();
      expectOperator(":");
      entries.add(Map.entry(key, expression()));
      if (!skipOperator(",")) {
        break;
      }
    }
    expectOperator("}");
    return new Expr.Dict(entries, line);
  }

  final Expr postfix(Expr value) {
    while (true) {
      int line = line();
      if (skipOperator(".")) {
        var name = take();
        value =
            switch (name.kind()) {
              case NAME -> new Expr.Attribute(value, name.text(), line);
              case INTEGER -> new Expr.Item(value, new Expr.Constant(integer(name), line), line);
              default -> throw new SyntaxFault("expected a name after '.'", line);
            };
      } else if (skipOperator("[")) {
        value = subscript(value, line);
      } else if (peek().isOperator("(")) {
        value = new Expr.Call(value, arguments(), line);
      } else {
        return value;
      }
    }
  }

  private Expr subscript(Expr object, int line) {
    var start = peek().isOperator(":") ? null : expression();
    if (start != null && !peek().isOperator(":")) {
      var index = start;
      if (skipOperator(",")) {
        throw fault("an index of several parts is not supported");
      }
      expectOperator("]");
      return new Expr.Item(object, index, line);
    }
    expectOperator(":");
    var stop = atSliceEnd() ? null : expression();
    var step = skipOperator(":") && !atSliceEnd() ? expression() : null;
    expectOperator("]");
    return new Expr.Slice(object, start, stop, step, line);
  }

  private boolean atSliceEnd() {
    return peek().isOperator(":") || peek().isOperator("]");
  }

  private Expr filters(Expr value) {
    while (true) {
      int line = line();
      if (peek().isOperator("|")) {
        value = filter(value);
      } else if (skipName("is")) {
        value = test(value, line);
      } else if (peek().isOperator("(")) {
        value = new Expr.Call(value, arguments(), line);
      } else {
        return value;
      }
    }
  }

  /** {@code | name | name(…) …} */
  final Expr filter(Expr value) {
    while (skipOperator("|")) {
      value = namedFilter(value);
    }
    return value;
  }

  final Expr namedFilter(Expr value) {
    int line = line();
    var name = dottedName();
    if (!Filters.isKnown(name)) {
      unknown.add(new SyntaxFault(String.valueOf(Filters.unknown(name).getMessage()), line));
    }
    var arguments = peek().isOperator("(") ? arguments() : CallArguments.NONE;
    return new Expr.Filter(value, name, arguments, line);
  }

  private String dottedName() {
    var name = new StringBuilder(expect(Kind.NAME).text());
    while (skipOperator(".")) {
      name.append('.').append(expect(Kind.NAME).text());
    }
    return name.toString();
  }

  private Expr test(Expr value, int line) {
    boolean negated = skipName("not");
    var name = dottedName();
    if (!Tests.isKnown(name)) {
      unknown.add(new SyntaxFault(String.valueOf(Tests.unknown(name).getMessage()), line));
    }
    var arguments = CallArguments.NONE;
    if (peek().isOperator("(")) {
      arguments = arguments();
    } else if (startsTestArgument(peek())) {
      if (peek().isName("is")) {
        throw fault("tests cannot be chained with 'is'");
      }
      arguments = new CallArguments(List.of(postfix(primary())), List.of(), null, null);
    }
    var test = new Expr.Test(value, name, arguments, line);
    return negated ? new Expr.Unary("not", test, line) : test;
  }

  private static boolean startsTestArgument(Token token) {
    return switch (token.kind()) {
      case STRING, INTEGER, FLOAT -> true;
      case NAME -> !token.isName("else") && !token.isName("or") && !token.isName("and");
      case OPERATOR -> token.isOperator("[") || token.isOperator("{");
      default -> false;
    };
  }

  private CallArguments arguments() {
    int line = line();
    expectOperator("(");
    var positional = new ArrayList<Expr>();
    var named = new ArrayList<Map.Entry<String, Expr>>();
    Expr rest = null;
    Expr namedRest = null;
    while (!peek().isOperator(")")) {
      boolean ordered;
      if (skipOperator("*")) {
        ordered = rest == null && namedRest == null;
        rest = expression();
      } else if (skipOperator("**")) {
        ordered = namedRest == null;
        namedRest = expression();
      } else if (peek().kind() == Kind.NAME && peekSecond().isOperator("=")) {
        ordered = namedRest == null;
        var name = take().text();
        take();
        named.add(Map.entry(name, expression()));
      } else {
        ordered = rest == null && namedRest == null && named.isEmpty();
        positional.add(expression());
      }
      if (!ordered) {
        throw new SyntaxFault("the arguments of a call are out of order", line);
      }
      if (!skipOperator(",")) {
        break;
      }
    }
    expectOperator(")");
    return new CallArguments(positional, named, rest, namedRest);
  }
}
