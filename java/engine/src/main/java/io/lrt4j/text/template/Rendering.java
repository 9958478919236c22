package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Generator;
import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Range;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import io.lrt4j.text.template.Value.View;
import java.math.BigDecimal;
import java.math.MathContext;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * One rendering: its clock, its limits, and what must respect them: printing and iterating values.
 */
final class Rendering {
  /** Longest string, the output among them, in UTF-16 units. */
  static final int MAX_TEXT = 1 << 24;

  /** Units of work: an expression, a list item, {@link #TEXT_PER_STEP} characters. */
  private static final long MAX_STEPS = 1 << 23;

  private static final int TEXT_PER_STEP = 32;
  private static final int MAX_DEPTH = 500;

  final Clock clock;
  private long steps;
  private int depth;

  Rendering(Clock clock) {
    this.clock = clock;
  }

  /** Accounts for work about to be done. */
  void spend(long work) {
    steps += work;
    if (steps > MAX_STEPS || work < 0) {
      throw new Fault("the template does more than " + MAX_STEPS + " steps of work");
    }
  }

  /** Accounts for text about to be made. */
  void spendText(long length) {
    if (length > MAX_TEXT) {
      throw new Fault("the template makes a text longer than " + MAX_TEXT + " characters");
    }
    spend(length / TEXT_PER_STEP);
  }

  /** Accounts for looking for one string in another. */
  void spendSearch(String text, String part) {
    spend((long) text.length() * (part.length() + 1) / (4 * TEXT_PER_STEP));
  }

  /** Accounts for what {@code out} has grown to. */
  void limit(StringBuilder out) {
    if (out.length() > MAX_TEXT) {
      spendText(out.length());
    }
  }

  String text(String made) {
    spendText(made.length());
    return made;
  }

  void enter() {
    if (++depth > MAX_DEPTH) {
      throw new Fault("the template nests deeper than " + MAX_DEPTH + " levels");
    }
  }

  void leave() {
    depth--;
  }

  /** {@code str(value)}. */
  String str(Object value) {
    return switch (value) {
      case String s -> s;
      case Value.Markup m -> m.text();
      case Undefined _ -> "";
      default -> repr(value);
    };
  }

  /** {@code repr(value)}. */
  String repr(Object value) {
    var out = new StringBuilder();
    repr(value, out);
    return out.toString();
  }

  private void repr(Object value, StringBuilder out) {
    enter();
    spend(1);
    limit(out);
    switch (value) {
      case None _ -> out.append("None");
      case Boolean b -> out.append(b ? "True" : "False");
      case String s -> {
        spendText(s.length());
        Text.repr(s, out);
      }
      case Value.Markup m -> {
        out.append("Markup(");
        Text.repr(m.text(), out);
        out.append(')');
      }
      case Double d -> out.append(number(d));
      case Number n -> out.append(n);
      case Undefined _ -> out.append("Undefined");
      case List<?> list -> items(list, "[", "]", out);
      case Tuple tuple -> items(tuple.items(), "(", tuple.items().size() == 1 ? ",)" : ")", out);
      case Map<?, ?> map -> dict(map, out);
      case View view -> items(view.items(), "dict_" + view.name() + "([", "])", out);
      case Range range -> {
        out.append("range(").append(range.start()).append(", ").append(range.stop());
        out.append(range.step() == 1 ? ")" : ", " + range.step() + ")");
      }
      case Value.Namespace namespace -> {
        out.append("<Namespace ");
        dict(namespace.attributes(), out);
        out.append('>');
      }
      default -> throw Fault.unsupported("printing a " + Operators.typeName(value));
    }
    leave();
  }

  private void items(List<?> items, String open, String close, StringBuilder out) {
    out.append(open);
    boolean first = true;
    for (var item : items) {
      if (!first) {
        out.append(", ");
      }
      first = false;
      repr(item, out);
    }
    out.append(close);
  }

  private void dict(Map<?, ?> map, StringBuilder out) {
    out.append('{');
    boolean first = true;
    for (var entry : map.entrySet()) {
      if (!first) {
        out.append(", ");
      }
      first = false;
      repr(entry.getKey(), out);
      out.append(": ");
      repr(entry.getValue(), out);
    }
    out.append('}');
  }

  /**
   * {@code repr} of a float: the shortest digits that give it back, an exponent below 1e-4 and from
   * 1e16.
   */
  static String number(double d) {
    if (Double.isNaN(d)) {
      return "nan";
    }
    if (Double.isInfinite(d)) {
      return d > 0 ? "inf" : "-inf";
    }
    if (d == 0) {
      return 1 / d < 0 ? "-0.0" : "0.0";
    }
    var decimal = new BigDecimal(Double.toString(d)).stripTrailingZeros();
    if (decimal.precision() == 2) { // Java never prints fewer digits than two: 4.9E-324
      var shorter = decimal.round(new MathContext(1));
      decimal = shorter.doubleValue() == d ? shorter : decimal;
    }
    int exponent = decimal.precision() - decimal.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      var plain = decimal.toPlainString();
      return plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }
    var digits = decimal.unscaledValue().abs().toString();
    return (d < 0 ? "-" : "")
        + digits.charAt(0)
        + (digits.length() > 1 ? "." + digits.substring(1) : "")
        + (exponent < 0 ? "e-" : "e+")
        + (Math.abs(exponent) < 10 ? "0" : "")
        + Math.abs(exponent);
  }

  /** {@code iter(value)}. */
  Iterator<Object> iterate(Object value) {
    return switch (value) {
      case Generator generator -> counted(generator.items());
      case String s -> counted(Text.characters(text(s)).iterator());
      case Value.Markup m -> counted(Text.characters(text(m.text())).iterator());
      case Undefined _ -> List.of().iterator();
      case Range range -> counted(range.iterator());
      default -> {
        var items = Operators.items(value);
        if (items == null) {
          throw new Fault("'" + Operators.typeName(value) + "' cannot be iterated over");
        }
        yield counted(items.iterator());
      }
    };
  }

  private Iterator<Object> counted(Iterator<Object> items) {
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return items.hasNext();
      }

      @Override
      public Object next() {
        spend(1);
        return items.next();
      }
    };
  }

  /** {@code list(value)}. */
  List<Object> list(Object value) {
    var list = new ArrayList<Object>();
    iterate(value).forEachRemaining(list::add);
    return list;
  }
}
