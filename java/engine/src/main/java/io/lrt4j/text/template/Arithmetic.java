package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Markup;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** Python's arithmetic: floor division, true division, repetition, concatenation. */
final class Arithmetic {
  private Arithmetic() {}

  /** {@code + - * / // % **}. */
  static Object binary(Rendering rendering, String operator, Object a, Object b) {
    if (a instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (b instanceof Undefined undefined && !(operator.equals("%") && isText(a))) {
      throw undefined.fault();
    }
    if (Operators.isNumber(a) && Operators.isNumber(b)) {
      return numbers(operator, Operators.integer(a), Operators.integer(b));
    }
    var result =
        switch (operator) {
          case "+" -> concatenate(rendering, a, b);
          case "*" ->
              Operators.isNumber(a)
                  ? repeat(rendering, b, Operators.integer(a))
                  : repeat(rendering, a, Operators.integer(b));
          case "%" -> a instanceof String format ? Printf.format(rendering, format, b) : null;
          default -> null;
        };
    if (result == null) {
      throw new Fault(
          "'%s' %s '%s' is not possible"
              .formatted(Operators.typeName(a), operator, Operators.typeName(b)));
    }
    return result;
  }

  private static boolean isText(Object value) {
    return value instanceof String || value instanceof Markup;
  }

  private static @Nullable Object concatenate(Rendering rendering, Object a, Object b) {
    if (a instanceof String s && b instanceof String other) {
      rendering.spendText((long) s.length() + other.length());
      return s + other;
    }
    if (isText(a) && isText(b)) {
      return new Markup(rendering.text(escaped(a) + escaped(b)));
    }
    if (a instanceof Tuple x && b instanceof Tuple y) {
      return new Tuple(joined(rendering, x.items(), y.items()));
    }
    return a instanceof List<?> x && b instanceof List<?> y ? joined(rendering, x, y) : null;
  }

  private static String escaped(Object value) {
    return value instanceof Markup markup ? markup.text() : Text.escapeHtml((String) value);
  }

  private static List<Object> joined(Rendering rendering, List<?> a, List<?> b) {
    rendering.spend((long) a.size() + b.size());
    var out = new ArrayList<Object>(a);
    out.addAll(b);
    return out;
  }

  private static @Nullable Object repeat(Rendering rendering, Object value, Object count) {
    if (!(count instanceof Long times)) {
      return null;
    }
    long n = Math.clamp(times, 0, Rendering.MAX_TEXT + 1L);
    if (value instanceof String s) {
      rendering.spendText(n * s.length());
      return s.repeat((int) n);
    }
    var items = value instanceof Tuple || value instanceof List<?> ? Operators.items(value) : null;
    if (items == null) {
      return null;
    }
    rendering.spend(n * items.size());
    var out = new ArrayList<Object>();
    for (long i = 0; i < n && !items.isEmpty(); i++) {
      out.addAll(items);
    }
    return value instanceof Tuple ? new Tuple(out) : out;
  }

  private static Object numbers(String operator, Object a, Object b) {
    if (a instanceof Long x && b instanceof Long y) {
      return integers(operator, x, y);
    }
    if (a instanceof BigInteger || b instanceof BigInteger) {
      throw Fault.unsupported("arithmetic on integers of more than 64 bits");
    }
    return floats(operator, toDouble(a), toDouble(b));
  }

  private static Object integers(String operator, long a, long b) {
    if (b == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
      throw new Fault("division by zero");
    }
    return switch (operator) {
      case "+" -> exact(() -> Math.addExact(a, b));
      case "-" -> exact(() -> Math.subtractExact(a, b));
      case "*" -> exact(() -> Math.multiplyExact(a, b));
      case "/" -> (double) a / b;
      case "//" -> exact(() -> b == -1 ? Math.negateExact(a) : Math.floorDiv(a, b));
      case "%" -> Math.floorMod(a, b);
      case "**" -> b < 0 ? floats("**", (double) a, (double) b) : (Object) power(a, b);
      default -> throw new IllegalStateException(operator);
    };
  }

  private static long power(long base, long exponent) {
    if (base == 0 || base == 1) {
      return exponent == 0 ? 1 : base;
    }
    if (base == -1) {
      return exponent % 2 == 0 ? 1 : -1;
    }
    long result = 1;
    for (long i = 0; i < exponent; i++) { // ends after 63 turns at most, in overflow
      long before = result;
      result = exact(() -> Math.multiplyExact(before, base));
    }
    return result;
  }

  /** The result of 64-bit arithmetic; beyond it is refused. */
  static long exact(LongSupplier arithmetic) {
    try {
      return arithmetic.getAsLong();
    } catch (ArithmeticException e) {
      throw Fault.unsupported("an integer of more than 64 bits");
    }
  }

  private static double floats(String operator, double a, double b) {
    boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
    if ((b == 0 && divides) || (a == 0 && b < 0 && operator.equals("**"))) {
      throw new Fault("division by zero");
    }
    return switch (operator) {
      case "+" -> a + b;
      case "-" -> a - b;
      case "*" -> a * b;
      case "/" -> a / b;
      case "//" -> Math.floor((a - modulo(a, b)) / b + 0.5);
      case "%" -> modulo(a, b);
      case "**" -> {
        double power = Math.pow(a, b);
        if (Double.isNaN(power) && !Double.isNaN(a) && !Double.isNaN(b)) {
          throw Fault.unsupported("a complex number");
        }
        if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
          throw new Fault("the result of ** is too large");
        }
        yield power;
      }
      default -> throw new IllegalStateException(operator);
    };
  }

  /** Of the divisor's sign, as in Python. */
  private static double modulo(double a, double b) {
    double rest = a % b;
    if (rest == 0) {
      return Math.copySign(0, b);
    }
    return (rest < 0) == (b < 0) ? rest : rest + b;
  }

  static double toDouble(Object number) {
    return switch (Operators.integer(number)) {
      case Number n -> n.doubleValue();
      default -> throw new IllegalStateException(Operators.typeName(number));
    };
  }

  /** {@code +value} or {@code -value}. */
  static Object sign(String operator, Object value) {
    boolean minus = operator.equals("-");
    return switch (Operators.integer(value)) {
      case Long l -> minus ? exact(() -> Math.negateExact(l)) : l;
      case Double d -> minus ? -d : d;
      case BigInteger i -> minus ? i.negate() : i;
      case Undefined undefined -> throw undefined.fault();
      default -> throw new Fault(operator + " needs a number, found " + Operators.typeName(value));
    };
  }
}
