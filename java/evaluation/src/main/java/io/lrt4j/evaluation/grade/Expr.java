package io.lrt4j.evaluation.grade;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/** An expression that has one value, once its symbols have. */
sealed interface Expr {
  /**
   * A number as it was written.
   *
   * @param value exactly
   * @param decimal whether with decimals: those may be rounded
   */
  record Num(Rational value, boolean decimal) implements Expr {}

  /** A variable, or a constant: {@code π}, {@code e}, {@code i}, {@code ∞}. */
  record Sym(String name) implements Expr {
    boolean isVariable() {
      return !Expressions.CONSTANTS.contains(name);
    }
  }

  /** An operation on two. */
  record Binary(Operator operator, Expr left, Expr right) implements Expr {}

  /** A function of one; {@code neg} is the minus sign. */
  record Call(String function, Expr argument) implements Expr {}

  /** What {@link Binary} does; the last two stand for both signs. */
  enum Operator {
    PLUS,
    MINUS,
    TIMES,
    OVER,
    POWER,
    PLUS_MINUS,
    MINUS_PLUS
  }

  /** Where an expression is evaluated: the value of every variable. */
  @FunctionalInterface
  interface Point {
    Complex of(String variable);
  }

  /** Its value there; not finite where there is none. */
  default Complex at(Point point) {
    return Expressions.evaluate(this, point);
  }

  /** Its exact value, or null if it is not a fraction of numbers of a reasonable size. */
  default @Nullable Rational exact() {
    return Expressions.exact(this);
  }

  /** Adds its variables. */
  default void variables(Set<String> to) {
    switch (this) {
      case Num _ -> {}
      case Sym s -> {
        if (s.isVariable()) {
          to.add(s.name());
        }
      }
      case Binary b -> {
        b.left.variables(to);
        b.right.variables(to);
      }
      case Call c -> c.argument.variables(to);
    }
  }

  /** Whether a number in it was written with decimals. */
  default boolean hasDecimals() {
    return switch (this) {
      case Num n -> n.decimal;
      case Sym _ -> false;
      case Binary b -> b.left.hasDecimals() || b.right.hasDecimals();
      case Call c -> c.argument.hasDecimals();
    };
  }

  /** Whether it has a ± and so stands for two values. */
  default boolean isTwofold() {
    return switch (this) {
      case Num _, Sym _ -> false;
      case Binary b ->
          b.operator == Operator.PLUS_MINUS
              || b.operator == Operator.MINUS_PLUS
              || b.left.isTwofold()
              || b.right.isTwofold();
      case Call c -> c.argument.isTwofold();
    };
  }

  /** The same with the upper or the lower signs only. */
  default Expr withSigns(boolean upper) {
    return switch (this) {
      case Num n -> n;
      case Sym s -> s;
      case Binary b -> {
        Operator operator =
            switch (b.operator) {
              case PLUS_MINUS -> upper ? Operator.PLUS : Operator.MINUS;
              case MINUS_PLUS -> upper ? Operator.MINUS : Operator.PLUS;
              default -> b.operator;
            };
        yield new Binary(operator, b.left.withSigns(upper), b.right.withSigns(upper));
      }
      case Call c -> new Call(c.function, c.argument.withSigns(upper));
    };
  }
}
