package io.lrt4j.evaluation.grade;

import io.lrt4j.evaluation.grade.Expr.Binary;
import io.lrt4j.evaluation.grade.Expr.Call;
import io.lrt4j.evaluation.grade.Expr.Num;
import io.lrt4j.evaluation.grade.Expr.Operator;
import io.lrt4j.evaluation.grade.Expr.Point;
import io.lrt4j.evaluation.grade.Expr.Sym;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Values of expressions, and whether two expressions are the same. Fractions are compared exactly;
 * everything else by its values at points drawn at random, where different formulas differ (the
 * lemma of Schwartz and Zippel).
 */
final class Expressions {
  static final Set<String> CONSTANTS = Set.of("π", "e", "i", "∞");

  private static final int POINTS = 8;
  private static final int ENOUGH = 2; // points at which both have a value
  private static final double EXACT = 1e-9; // relative, of what doubles compute
  private static final int DECIMALS = 6; // as Math-Verify rounds
  private static final double ROUNDED = 1e-3; // but never a small number to another one

  private Expressions() {}

  static Complex evaluate(Expr e, Point point) {
    return switch (e) {
      case Num n -> Complex.of(n.value().value());
      case Sym s ->
          switch (s.name()) {
            case "π" -> Complex.of(Math.PI);
            case "e" -> Complex.of(Math.E);
            case "i" -> Complex.I;
            case "∞" -> Complex.of(Double.POSITIVE_INFINITY);
            default -> point.of(s.name());
          };
      case Binary b -> binary(b.operator(), b.left().at(point), b.right().at(point));
      case Call c -> call(c.function(), c.argument().at(point));
    };
  }

  private static Complex binary(Operator operator, Complex a, Complex b) {
    return switch (operator) {
      case PLUS, PLUS_MINUS -> a.plus(b);
      case MINUS, MINUS_PLUS -> a.minus(b);
      case TIMES -> a.times(b);
      case OVER -> a.over(b);
      case POWER -> a.power(b);
    };
  }

  private static Complex call(String function, Complex x) {
    return switch (function) {
      case "neg" -> x.negate();
      case "sqrt" -> x.sqrt();
      case "abs" -> Complex.of(x.abs());
      case "exp" -> x.exp();
      case "ln", "log" -> x.log();
      case "sin" -> x.sin();
      case "cos" -> x.cos();
      case "tan" -> x.sin().over(x.cos());
      case "cot" -> x.cos().over(x.sin());
      case "sec" -> Complex.ONE.over(x.cos());
      case "csc" -> Complex.ONE.over(x.sin());
      case "factorial" -> factorial(x);
      default -> x.im() == 0 ? Complex.of(real(function, x.re())) : Complex.NAN;
    };
  }

  private static double real(String function, double x) {
    return switch (function) {
      case "arcsin" -> Math.asin(x);
      case "arccos" -> Math.acos(x);
      case "arctan" -> Math.atan(x);
      case "sinh" -> Math.sinh(x);
      case "cosh" -> Math.cosh(x);
      case "tanh" -> Math.tanh(x);
      case "floor" -> Math.floor(x);
      case "ceil" -> Math.ceil(x);
      default -> Double.NaN;
    };
  }

  private static Complex factorial(Complex x) {
    if (x.im() != 0 || x.re() != Math.rint(x.re()) || x.re() < 0 || x.re() > 170) {
      return Complex.NAN;
    }
    double product = 1;
    for (int i = 2; i <= x.re(); i++) {
      product *= i;
    }
    return Complex.of(product);
  }

  static @Nullable Rational exact(Expr e) {
    return switch (e) {
      case Num n -> n.value();
      case Sym _ -> null;
      case Call c -> {
        Rational x = c.argument().exact();
        yield x == null
            ? null
            : switch (c.function()) {
              case "neg" -> x.negate();
              case "abs" -> new Rational(x.num().abs(), x.den());
              case "factorial" -> x.factorial();
              default -> null;
            };
      }
      case Binary b -> {
        Rational x = b.left().exact();
        Rational y = x == null ? null : b.right().exact();
        yield x == null || y == null
            ? null
            : switch (b.operator()) {
              case PLUS -> x.plus(y);
              case MINUS -> x.plus(y.negate());
              case TIMES -> x.times(y);
              case OVER -> x.dividedBy(y);
              case POWER -> x.power(y);
              case PLUS_MINUS, MINUS_PLUS -> null;
            };
      }
    };
  }

  /** Whether two expressions have the same value, whatever their variables are. */
  static boolean same(Expr a, Expr b) {
    boolean rounded = a.hasDecimals() || b.hasDecimals();
    Rational x = a.exact();
    Rational y = b.exact();
    if (x != null && y != null) {
      return x.equals(y) || (rounded && close(x.decimal(), y.decimal()));
    }
    int valued = 0;
    for (int i = 0; i < POINTS; i++) {
      Point point = point(i);
      Complex p = a.at(point);
      Complex q = b.at(point);
      if (p.isFinite() && q.isFinite()) {
        if (!close(p, q, rounded)) {
          return false;
        }
        valued++;
      } else if (infinite(p) || infinite(q)) {
        if (p.re() != q.re()) {
          return false;
        }
        valued++;
      }
    }
    return valued >= ENOUGH;
  }

  private static boolean infinite(Complex c) {
    return Double.isInfinite(c.re());
  }

  private static boolean close(BigDecimal x, BigDecimal y) {
    return x.setScale(DECIMALS, RoundingMode.HALF_EVEN)
                .compareTo(y.setScale(DECIMALS, RoundingMode.HALF_EVEN))
            == 0
        && x.subtract(y).abs().compareTo(x.abs().max(y.abs()).multiply(BigDecimal.valueOf(ROUNDED)))
            <= 0;
  }

  private static boolean close(Complex p, Complex q, boolean rounded) {
    double difference = p.minus(q).abs();
    double size = Math.max(p.abs(), q.abs());
    return difference <= EXACT * size
        || (size < EXACT)
        || (rounded && difference <= 0.5 * Math.pow(10, -DECIMALS) && difference <= ROUNDED * size);
  }

  /**
   * What b has to be multiplied with to be a, wherever: NaN if there is no such number, or it is 0.
   */
  static double ratio(Expr a, Expr b) {
    double ratio = Double.NaN;
    int valued = 0;
    for (int i = 0; i < POINTS; i++) {
      Point point = point(i);
      Complex q = a.at(point).over(b.at(point));
      if (!q.isFinite()) {
        continue;
      }
      valued++;
      if (Math.abs(q.im()) > EXACT * q.abs() || q.re() == 0) {
        return Double.NaN;
      }
      if (!Double.isNaN(ratio) && Math.abs(q.re() - ratio) > 1e-6 * Math.abs(ratio)) {
        return Double.NaN;
      }
      ratio = q.re();
    }
    return valued >= ENOUGH ? ratio : Double.NaN;
  }

  /** The same values for the same names, between -3 and 3; half of the points have no negatives. */
  private static Point point(int index) {
    return variable -> {
      var random = new SplittableRandom(variable.hashCode() * 1_000_003L + index);
      double value = random.nextDouble(0.1, 3);
      return Complex.of(index % 2 == 0 && random.nextBoolean() ? -value : value);
    };
  }
}
