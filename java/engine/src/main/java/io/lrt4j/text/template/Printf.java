package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Tuple;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code "%s and %05d" % values}, and {@code "{} and {name}".format(…)}. */
final class Printf {
  private final Rendering rendering;
  private final String format;
  private final List<Object> values;
  private final @Nullable Map<?, ?> named;
  private int next;
  private int pos;

  private Printf(Rendering rendering, String format, Object values) {
    this.rendering = rendering;
    this.format = format;
    this.values = values instanceof Tuple tuple ? tuple.items() : List.of(values);
    this.named = values instanceof Map<?, ?> map ? map : null;
  }

  /** {@code format % values}. */
  static String format(Rendering rendering, String format, Object values) {
    var printf = new Printf(rendering, format, values);
    var out = printf.run();
    if (printf.named == null && printf.next < printf.values.size()) {
      throw new Fault("not all values are used by the format '" + format + "'");
    }
    return out;
  }

  private String run() {
    var out = new StringBuilder();
    while (pos < format.length()) {
      char c = format.charAt(pos++);
      if (c == '%') {
        directive(out);
        rendering.limit(out);
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  private void directive(StringBuilder out) {
    Object value = null;
    if (peek() == '(') {
      int end = format.indexOf(')', pos);
      var key = end < 0 ? "" : format.substring(pos + 1, end);
      value = named == null || end < 0 ? null : Operators.get(rendering, named, key);
      if (value == null) {
        throw new Fault("the format '" + format + "' has no value for '" + key + "'");
      }
      pos = end + 1;
    }
    boolean left = false;
    boolean zero = false;
    boolean plus = false;
    for (; "-0+".indexOf(peek()) >= 0; pos++) {
      left |= peek() == '-';
      zero |= peek() == '0';
      plus |= peek() == '+';
    }
    int width = number(0);
    int precision = -1;
    if (peek() == '.') {
      pos++;
      precision = number(0);
    }
    char conversion = peek();
    pos++;
    if (conversion == '%') {
      out.append('%');
      return;
    }
    if (value == null) {
      if (next >= values.size()) {
        throw new Fault("the format '" + format + "' needs more values");
      }
      value = values.get(next++);
    }
    var text = convert(conversion, precision, value);
    boolean numeric = conversion != 's' && conversion != 'r';
    if (plus && numeric && !text.startsWith("-")) {
      text = "+" + text;
    }
    int pad = width - Text.length(text);
    boolean padZero = zero && numeric && !left;
    int sign = padZero && !text.isEmpty() && "+-".indexOf(text.charAt(0)) >= 0 ? 1 : 0;
    out.append(text, 0, sign);
    out.append((padZero ? "0" : " ").repeat(left ? 0 : Math.max(pad, 0)));
    out.append(text, sign, text.length()).append(" ".repeat(left ? Math.max(pad, 0) : 0));
  }

  private char peek() {
    if (pos >= format.length()) {
      throw new Fault("the format '" + format + "' ends too early");
    }
    return format.charAt(pos);
  }

  private int number(int otherwise) {
    int value = otherwise;
    for (; peek() >= '0' && peek() <= '9'; pos++) {
      value = value * 10 + peek() - '0';
      if (value > 100_000) {
        throw new Fault("the format '" + format + "' is too wide");
      }
    }
    return value;
  }

  private String convert(char conversion, int precision, Object value) {
    return switch (conversion) {
      case 's' -> cut(rendering.str(value), precision);
      case 'r' -> cut(rendering.repr(value), precision);
      case 'd', 'i' -> integer(value);
      case 'f' -> fixed(value, precision < 0 ? 6 : precision);
      case 'x' -> Operators.integer(value) instanceof Long l ? Long.toString(l, 16) : wrong(value);
      default -> throw Fault.unsupported("the format %" + conversion);
    };
  }

  private String integer(Object value) {
    return switch (Operators.integer(value)) {
      case Double d when !d.isNaN() && !d.isInfinite() ->
          new BigDecimal(d).setScale(0, RoundingMode.DOWN).toPlainString();
      case Double _ -> wrong(value);
      case Number n -> n.toString();
      default -> wrong(value);
    };
  }

  private static String fixed(Object value, int digits) {
    if (!Operators.isNumber(value)) {
      return wrong(value);
    }
    double d = Arithmetic.toDouble(value);
    return Double.isNaN(d) || Double.isInfinite(d)
        ? Rendering.number(d)
        : (1 / d < 0 && d == 0 ? "-" : "")
            + new BigDecimal(d).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
  }

  private static String wrong(Object value) {
    throw new Fault("a format needs a number, found " + Operators.typeName(value));
  }

  private static String cut(String s, int precision) {
    return precision >= 0 && precision < Text.length(s) ? Text.slice(s, 0, precision) : s;
  }

  /** {@code format.format(…)} with fields {@code {}}, {@code {0}} and {@code {name}}. */
  static String braces(Rendering rendering, String format, Arguments arguments) {
    var out = new StringBuilder();
    int automatic = 0;
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      boolean doubled = i + 1 < format.length() && format.charAt(i + 1) == c;
      if (c != '{' && c != '}') {
        out.append(c);
      } else if (doubled) {
        out.append(c);
        i++;
      } else {
        int end = format.indexOf('}', i);
        if (c == '}' || end < 0) {
          throw new Fault("a brace in the format '" + format + "' has no partner");
        }
        var field = format.substring(i + 1, end);
        i = end;
        boolean numbered = !field.isEmpty() && field.chars().allMatch(d -> d >= '0' && d <= '9');
        if (field.length() > 6 && numbered) {
          throw new Fault("the format '" + format + "' has no value for {" + field + "}");
        }
        out.append(rendering.str(field(field, numbered, automatic, format, arguments)));
        automatic += field.isEmpty() ? 1 : 0;
        rendering.limit(out);
      }
    }
    return out.toString();
  }

  private static Object field(
      String field, boolean numbered, int automatic, String format, Arguments arguments) {
    if (!numbered && !field.chars().allMatch(Character::isUnicodeIdentifierPart)) {
      throw Fault.unsupported("the format field {" + field + "}");
    }
    int index = numbered ? Integer.parseInt(field) : automatic;
    var positional = arguments.positional();
    Object value =
        !numbered && !field.isEmpty()
            ? arguments.named().get(field)
            : index < positional.size() ? positional.get(index) : null;
    if (value == null) {
      throw new Fault("the format '" + format + "' has no value for {" + field + "}");
    }
    return value;
  }
}
