package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Markup;
import io.lrt4j.text.template.Value.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The filters, by name; those over sequences are in {@link SequenceFilters}. */
final class Filters {
  /** {@code value | name(arguments)}. */
  interface Filter {
    Object apply(Rendering rendering, Object value, Arguments arguments);
  }

  private static final Map<String, Filter> FILTERS = filters();

  /** Jinja has these, no chat template known to us needs them. */
  private static final Set<String> UNSUPPORTED =
      Set.of(
          "attr",
          "filesizeformat",
          "forceescape",
          "groupby",
          "pprint",
          "random",
          "striptags",
          "truncate",
          "urlencode",
          "urlize",
          "wordwrap",
          "xmlattr");

  private Filters() {}

  static boolean isKnown(String name) {
    return FILTERS.containsKey(name);
  }

  static Fault unknown(String name) {
    return UNSUPPORTED.contains(name)
        ? Fault.unsupported("the filter '" + name + "'")
        : new Fault("there is no filter '" + name + "'");
  }

  static Object apply(Rendering rendering, String name, Object value, Arguments arguments) {
    var filter = FILTERS.get(name);
    if (filter == null) {
      throw unknown(name);
    }
    return filter.apply(rendering, value, arguments);
  }

  private static Map<String, Filter> filters() {
    var filters = new HashMap<String, Filter>();
    text(filters, "upper", Text::upper);
    text(filters, "lower", Text::lower);
    text(filters, "capitalize", Text::capitalize);
    text(filters, "title", Filters::title);
    filters.put("trim", Filters::trim);
    filters.put("replace", Filters::replace);
    filters.put("indent", Filters::indent);
    filters.put("center", Filters::center);
    filters.put("wordcount", (r, v, a) -> wordCount(r.text(none("wordcount", a, r.str(v)))));
    filters.put("string", (r, v, a) -> none("string", a, v instanceof Markup ? v : r.str(v)));
    filters.put("safe", (r, v, a) -> new Markup(none("safe", a, r.str(v))));
    filters.put("escape", Filters::escape);
    filters.put("e", Filters::escape);
    filters.put("format", Filters::format);
    filters.put("tojson", Json::dump);
    filters.put("default", Filters::defaultValue);
    filters.put("d", Filters::defaultValue);
    filters.put("int", Filters::toInteger);
    filters.put("float", Filters::toFloat);
    filters.put("abs", Filters::abs);
    filters.put("round", Filters::round);
    SequenceFilters.addTo(filters);
    return Map.copyOf(filters);
  }

  private static void text(Map<String, Filter> filters, String name, UnaryOperator<String> edit) {
    filters.put(name, (r, v, a) -> edit.apply(r.text(none(name, a, r.str(v)))));
  }

  /** The value of a filter without arguments. */
  static <T> T none(String name, Arguments arguments, T value) {
    arguments.bind(name, 0);
    return value;
  }

  /** A capital at the start and behind every hyphen, space and opening bracket. */
  private static String title(String s) {
    var out = new StringBuilder(s.length());
    int start = 0;
    while (start < s.length()) {
      int end = start;
      boolean separator = startsWord(s.charAt(start));
      while (end < s.length() && startsWord(s.charAt(end)) == separator) {
        end++;
      }
      int rest = start + Character.charCount(s.codePointAt(start));
      out.append(Text.upper(s.substring(start, rest))).append(Text.lower(s.substring(rest, end)));
      start = end;
    }
    return out.toString();
  }

  private static boolean startsWord(char c) {
    return Text.isSpace(c) || "-({[<".indexOf(c) >= 0;
  }

  private static Object trim(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("trim", 0, "chars");
    var s = rendering.text(rendering.str(value));
    return StringMethods.strip(s, a.has(0) ? a.string(0) : null, true, true);
  }

  private static Object replace(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("replace", 2, "old", "new", "count");
    return StringMethods.replace(
        rendering,
        rendering.str(value),
        rendering.str(a.get(0)),
        rendering.str(a.get(1)),
        a.has(2) ? a.integer(2, -1) : -1);
  }

  private static Object indent(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("indent", 0, "width", "first", "blank");
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (!(Operators.plain(value) instanceof String s)) {
      throw new Fault("indent expects a string, found " + Operators.typeName(value));
    }
    var indent =
        a.or(0, 4L) instanceof String given
            ? given
            : StringMethods.pad(rendering, " ", a.integer(0, 4));
    var lines = Text.lines(rendering.text(s) + "\n", false);
    var out = new StringBuilder(a.flag(1) ? indent : "");
    for (int i = 0; i < lines.size(); i++) {
      var line = (String) lines.get(i);
      out.append(i == 0 ? "" : "\n").append(i == 0 || (line.isEmpty() && !a.flag(2)) ? "" : indent);
      out.append(line);
      rendering.spendText(indent.length());
      rendering.limit(out);
    }
    return out.toString();
  }

  private static Object center(Rendering rendering, Object value, Arguments arguments) {
    long width = arguments.bind("center", 0, "width").integer(0, 80);
    var s = rendering.str(value);
    long pad = Math.max(0, width - Text.length(s));
    // Python puts the odd space on the left if the width is odd.
    long left = pad / 2 + (pad & width & 1);
    return StringMethods.pad(rendering, " ", left)
        + s
        + StringMethods.pad(rendering, " ", pad - left);
  }

  private static Object wordCount(String s) {
    long count = 0;
    boolean inWord = false;
    for (int i = 0; i < s.length(); i += Character.charCount(s.codePointAt(i))) {
      int c = s.codePointAt(i);
      boolean word = Character.isLetterOrDigit(c) || c == '_';
      count += word && !inWord ? 1 : 0;
      inWord = word;
    }
    return count;
  }

  private static Object escape(Rendering rendering, Object value, Arguments arguments) {
    return none(
        "escape",
        arguments,
        value instanceof Markup ? value : new Markup(Text.escapeHtml(rendering.str(value))));
  }

  private static Object format(Rendering rendering, Object value, Arguments arguments) {
    if (!arguments.named().isEmpty() && !arguments.positional().isEmpty()) {
      throw new Fault("format takes positional or keyword arguments, not both");
    }
    return Printf.format(
        rendering,
        rendering.str(value),
        arguments.named().isEmpty()
            ? new Value.Tuple(arguments.positional())
            : new HashMap<Object, Object>(arguments.named()));
  }

  private static Object defaultValue(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("default", 0, "default_value", "boolean");
    boolean missing = value instanceof Undefined || (a.flag(1) && !Operators.truth(value));
    return missing ? a.or(0, "") : value;
  }

  private static Object toInteger(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("int", 0, "default", "base");
    var fallback = a.or(0, 0L);
    return switch (Operators.plain(value)) {
      case Undefined undefined -> throw undefined.fault();
      case Boolean b -> b ? 1L : 0L;
      case Double d when Double.isNaN(d) -> fallback;
      case Double d when Double.isInfinite(d) -> throw new Fault("infinity is no integer");
      case Double d -> narrow(new BigDecimal(d).toBigInteger());
      case Number n -> n;
      case String s -> parseInteger(s, a.integer(1, 10), fallback);
      default -> fallback;
    };
  }

  private static Object parseInteger(String text, long base, Object fallback) {
    var s = Text.stripStart(Text.stripEnd(text));
    if (base < 2 || base > 36) {
      throw Fault.unsupported("the base " + base + " of int");
    }
    var digits = Text.lower(s);
    boolean minus = digits.startsWith("-");
    digits = minus || digits.startsWith("+") ? digits.substring(1) : digits;
    var prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "-";
    digits = digits.startsWith(prefix) ? digits.substring(2) : digits;
    boolean grouped = digits.length() < 1000 && digits.matches("[^_]+(_[^_]+)*");
    digits = digits.replace("_", "");
    if (grouped && isNumber(digits, (int) base)) {
      var integer = new BigInteger(digits, (int) base);
      return narrow(minus ? integer.negate() : integer);
    }
    // "42.23" is 42.
    var d = parseFloat(s);
    return d == null || d.isNaN() || d.isInfinite()
        ? fallback
        : narrow(new BigDecimal(d).toBigInteger());
  }

  private static boolean isNumber(String digits, int base) {
    return digits.chars().allMatch(c -> Character.digit(c, base) >= 0);
  }

  private static Object narrow(BigInteger integer) {
    return integer.bitLength() < Long.SIZE ? (Object) integer.longValue() : integer;
  }

  /** {@code float(text)}, or null. */
  private static @Nullable Double parseFloat(String text) {
    var s = Text.lower(Text.stripStart(Text.stripEnd(text)));
    if (s.matches("[+-]?(inf|infinity|nan)")) {
      double special = s.endsWith("nan") ? Double.NaN : Double.POSITIVE_INFINITY;
      return s.startsWith("-") ? -special : special;
    }
    var digits = "\\d+(_\\d+)*";
    var number = "[+-]?(D(\\.(D)?)?|\\.D)(e[+-]?D)?".replace("D", digits);
    return s.length() < 1000 && s.matches(number)
        ? (Double) Double.parseDouble(s.replace("_", ""))
        : null;
  }

  private static Object toFloat(Rendering rendering, Object value, Arguments arguments) {
    var fallback = arguments.bind("float", 0, "default").or(0, 0.0);
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (Operators.isNumber(value)) {
      return Arithmetic.toDouble(value);
    }
    var parsed = Operators.plain(value) instanceof String s ? parseFloat(s) : null;
    return parsed == null ? fallback : parsed;
  }

  private static Object abs(Rendering rendering, Object value, Arguments arguments) {
    return switch (Operators.integer(none("abs", arguments, value))) {
      case Long l -> l < 0 ? Arithmetic.sign("-", l) : l;
      case Double d -> Math.abs(d);
      case BigInteger i -> i.abs();
      case Undefined undefined -> throw undefined.fault();
      default -> throw new Fault("abs expects a number, found " + Operators.typeName(value));
    };
  }

  private static Object round(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("round", 0, "precision", "method");
    long precision = a.integer(0, 0);
    var method = a.has(1) ? a.string(1) : "common";
    var mode =
        switch (method) {
          case "common" -> RoundingMode.HALF_EVEN;
          case "ceil" -> RoundingMode.CEILING;
          case "floor" -> RoundingMode.FLOOR;
          default -> throw new Fault("round knows common, ceil and floor, found '" + method + "'");
        };
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (!Operators.isNumber(value) || value instanceof BigInteger || Math.abs(precision) > 300) {
      throw new Fault("round cannot round a " + Operators.typeName(value));
    }
    int digits = (int) precision;
    if (mode != RoundingMode.HALF_EVEN) {
      double scale = Math.pow(10, digits);
      double scaled = Arithmetic.toDouble(value) * scale;
      return (mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
    }
    if (Operators.integer(value) instanceof Long l) {
      Object rounded = narrow(new BigDecimal(l).setScale(digits, mode).toBigInteger());
      return digits >= 0 ? l : rounded;
    }
    double d = Arithmetic.toDouble(value);
    return Double.isNaN(d) || Double.isInfinite(d)
        ? d
        : Math.copySign(new BigDecimal(d).setScale(digits, mode).doubleValue(), d);
  }
}
