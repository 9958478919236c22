package io.lrt4j.text.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An expression; {@code line} is where it stands in the template. */
sealed interface Expr {
  int line();

  record Constant(Object value, int line) implements Expr {}

  record Name(String name, int line) implements Expr {}

  /** {@code tuple} false makes a list. */
  record Sequence(List<Expr> items, boolean tuple, int line) implements Expr {}

  record Dict(List<Map.Entry<Expr, Expr>> entries, int line) implements Expr {}

  /** {@code object.name} */
  record Attribute(Expr object, String name, int line) implements Expr {}

  /** {@code object[index]} */
  record Item(Expr object, Expr index, int line) implements Expr {}

  /** {@code object[start:stop:step]} */
  record Slice(
      Expr object, @Nullable Expr start, @Nullable Expr stop, @Nullable Expr step, int line)
      implements Expr {}

  record Call(Expr function, CallArguments arguments, int line) implements Expr {}

  record Filter(Expr value, String name, CallArguments arguments, int line) implements Expr {}

  record Test(Expr value, String name, CallArguments arguments, int line) implements Expr {}

  /** {@code + - * / // % **} */
  record Binary(String operator, Expr left, Expr right, int line) implements Expr {}

  /** {@code + - not} */
  record Unary(String operator, Expr operand, int line) implements Expr {}

  /** {@code and or} */
  record Logical(boolean and, Expr left, Expr right, int line) implements Expr {}

  /**
   * {@code first op[0] rest[0] op[1] rest[1] …}; operators include {@code in} and {@code not in}
   */
  record Comparison(Expr first, List<String> operators, List<Expr> rest, int line)
      implements Expr {}

  /** {@code ~} */
  record Concat(List<Expr> parts, int line) implements Expr {}

  /** {@code then if test else otherwise} */
  record Conditional(Expr test, Expr then, @Nullable Expr otherwise, int line) implements Expr {}

  /** What stands between the parentheses of a call; the last two are {@code *x} and {@code **x}. */
  record CallArguments(
      List<Expr> positional,
      List<Map.Entry<String, Expr>> named,
      @Nullable Expr rest,
      @Nullable Expr namedRest) {
    static final CallArguments NONE = new CallArguments(List.of(), List.of(), null, null);
  }
}
