package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Generator;
import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Range;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import io.lrt4j.text.template.Value.View;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What Python's operators mean on values; arithmetic is in {@link Arithmetic}. */
final class Operators {
  private Operators() {}

  /** Python's name of a value's type. */
  static String typeName(Object value) {
    return switch (value) {
      case None _ -> "NoneType";
      case Boolean _ -> "bool";
      case String _ -> "str";
      case Value.Markup _ -> "Markup";
      case Double _ -> "float";
      case Number _ -> "int";
      case List<?> _ -> "list";
      case Map<?, ?> _ -> "dict";
      case Tuple _ -> "tuple";
      case Range _ -> "range";
      case View view -> "dict_" + view.name();
      case Generator _ -> "generator";
      case Undefined _ -> "Undefined";
      case Value.Namespace _ -> "Namespace";
      case Value.Loop _ -> "LoopContext";
      case Value.Function _ -> "function";
      default -> throw new IllegalStateException(value.getClass().getName());
    };
  }

  /** {@code bool(value)}. */
  static boolean truth(Object value) {
    return switch (value) {
      case None _ -> false;
      case Undefined _ -> false;
      case Boolean b -> b;
      case String s -> !s.isEmpty();
      case Value.Markup m -> !m.text().isEmpty();
      case Long l -> l != 0;
      case Double d -> d != 0;
      case Range range -> range.size() > 0;
      default -> {
        var items = items(value);
        yield items == null || !items.isEmpty();
      }
    };
  }

  /** The elements of a list, tuple, dict (its keys) or view; null of anything else. */
  @SuppressWarnings("unchecked")
  static @Nullable List<Object> items(Object value) {
    return switch (value) {
      case List<?> list -> (List<Object>) list;
      case Tuple tuple -> tuple.items();
      case View view -> view.items();
      case Map<?, ?> map -> new ArrayList<>(map.keySet());
      default -> null;
    };
  }

  /** {@code len(value)}. */
  static long length(Object value) {
    long size = lengthOrUnknown(value);
    if (size < 0) {
      throw new Fault("a '" + typeName(value) + "' has no length");
    }
    return size;
  }

  /** {@code len(value)}, -1 if it has none. */
  static long lengthOrUnknown(Object value) {
    return switch (value) {
      case String s -> Text.length(s);
      case Value.Markup m -> Text.length(m.text());
      case Undefined _ -> 0;
      case Range range -> range.size();
      case Map<?, ?> map -> map.size();
      case Value.Loop loop -> loop.attribute("length") instanceof Long l ? l : -1;
      default -> {
        var items = items(value);
        yield items == null ? -1 : items.size();
      }
    };
  }

  /** {@code a == b}. */
  @SuppressWarnings("ReferenceEquality") // Python's equality of objects without one of their own
  static boolean equal(Rendering rendering, Object a, Object b) {
    rendering.spend(1);
    if (isNumber(a) && isNumber(b)) {
      return !isNan(a) && !isNan(b) && compareNumbers(a, b) == 0;
    }
    return switch (a) {
      case String s -> s.equals(plain(b));
      case Value.Markup m -> m.text().equals(plain(b));
      case Undefined _ -> b instanceof Undefined;
      case List<?> list -> b instanceof List<?> other && equalItems(rendering, list, other);
      case Tuple tuple ->
          b instanceof Tuple other && equalItems(rendering, tuple.items(), other.items());
      case Map<?, ?> map -> b instanceof Map<?, ?> other && equalMaps(rendering, map, other);
      case Range range ->
          b instanceof Range other
              && range.size() == other.size()
              && (range.size() == 0
                  || (range.start() == other.start()
                      && (range.size() == 1 || range.step() == other.step())));
      case View _ -> throw Fault.unsupported("comparing a " + typeName(a));
      default -> a == b;
    };
  }

  /** A string's or safe string's text; other values as they are. */
  static Object plain(Object value) {
    return value instanceof Value.Markup markup ? markup.text() : value;
  }

  private static boolean equalItems(Rendering rendering, List<?> a, List<?> b) {
    if (a.size() != b.size()) {
      return false;
    }
    rendering.enter();
    boolean equal = true;
    for (int i = 0; i < a.size() && equal; i++) {
      equal = equal(rendering, a.get(i), b.get(i));
    }
    rendering.leave();
    return equal;
  }

  private static boolean equalMaps(Rendering rendering, Map<?, ?> a, Map<?, ?> b) {
    if (a.size() != b.size()) {
      return false;
    }
    rendering.enter();
    boolean equal = true;
    for (var entry : a.entrySet()) {
      var other = get(rendering, b, entry.getKey());
      equal = other != null && equal(rendering, entry.getValue(), other);
      if (!equal) {
        break;
      }
    }
    rendering.leave();
    return equal;
  }

  /** The sign of {@code a - b}, for strings, numbers, lists and tuples. */
  static int compare(Rendering rendering, Object a, Object b) {
    rendering.spend(1);
    if (isNumber(a) && isNumber(b)) {
      return compareNumbers(a, b);
    }
    if (plain(a) instanceof String s && plain(b) instanceof String other) {
      return compareCodePoints(s, other);
    }
    if ((a instanceof List<?> && b instanceof List<?>)
        || (a instanceof Tuple && b instanceof Tuple)) {
      return compareItems(rendering, itemsOf(a), itemsOf(b));
    }
    if (a instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (b instanceof Undefined undefined) {
      throw undefined.fault();
    }
    throw new Fault("'%s' and '%s' have no order".formatted(typeName(a), typeName(b)));
  }

  private static List<Object> itemsOf(Object value) {
    var items = items(value);
    return items == null ? List.of() : items;
  }

  private static int compareItems(Rendering rendering, List<Object> a, List<Object> b) {
    rendering.enter();
    for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
      if (!equal(rendering, a.get(i), b.get(i))) {
        int order = compare(rendering, a.get(i), b.get(i));
        rendering.leave();
        return order;
      }
    }
    rendering.leave();
    return Integer.compare(a.size(), b.size());
  }

  private static int compareCodePoints(String a, String b) {
    int i = 0;
    while (i < a.length() && i < b.length() && a.charAt(i) == b.charAt(i)) {
      i++;
    }
    if (i == a.length() || i == b.length()) {
      return Integer.compare(a.length(), b.length());
    }
    // The first difference may be in the second half of a pair, whose order is the pair's.
    return Integer.compare(a.codePointAt(i), b.codePointAt(i));
  }

  /** One comparison; NaN is neither below, above nor equal. */
  static boolean compare(Rendering rendering, String operator, Object a, Object b) {
    return switch (operator) {
      case "==" -> equal(rendering, a, b);
      case "!=" -> !equal(rendering, a, b);
      case "in" -> contains(rendering, b, a);
      case "not in" -> !contains(rendering, b, a);
      default -> {
        int order = compare(rendering, a, b);
        yield !isNan(a)
            && !isNan(b)
            && switch (operator) {
              case "<" -> order < 0;
              case "<=" -> order <= 0;
              case ">" -> order > 0;
              case ">=" -> order >= 0;
              default -> throw new IllegalStateException(operator);
            };
      }
    };
  }

  static boolean isNumber(Object value) {
    return value instanceof Number || value instanceof Boolean;
  }

  private static boolean isNan(Object value) {
    return value instanceof Double d && d.isNaN();
  }

  private static int compareNumbers(Object a, Object b) {
    if (integer(a) instanceof Long x && integer(b) instanceof Long y) {
      return Long.compare(x, y);
    }
    if (isInfinite(a) || isInfinite(b) || isNan(a) || isNan(b)) {
      return Double.compare(Arithmetic.toDouble(a), Arithmetic.toDouble(b));
    }
    return decimal(a).compareTo(decimal(b));
  }

  private static boolean isInfinite(Object value) {
    return value instanceof Double d && d.isInfinite();
  }

  private static BigDecimal decimal(Object number) {
    return switch (integer(number)) {
      case Double d -> new BigDecimal(d);
      case BigInteger i -> new BigDecimal(i);
      case Long l -> BigDecimal.valueOf(l);
      default -> throw new IllegalStateException(typeName(number));
    };
  }

  /** Booleans as the integers that they are in Python; other values as they are. */
  static Object integer(Object value) {
    return value instanceof Boolean b ? (Object) (b ? 1L : 0L) : value;
  }

  /** {@code item in container}. */
  static boolean contains(Rendering rendering, Object container, Object item) {
    if (plain(container) instanceof String s) {
      if (plain(item) instanceof String part) {
        rendering.spendSearch(s, part);
        return s.contains(part);
      }
      throw new Fault("'in' a string expects a string, found " + typeName(item));
    }
    if (container instanceof Map<?, ?> map) {
      requireKey(item);
      return get(rendering, map, item) != null;
    }
    for (var items = rendering.iterate(container); items.hasNext(); ) {
      if (equal(rendering, items.next(), item)) {
        return true;
      }
    }
    return false;
  }

  /** Refuses what cannot be a dict's key. */
  static void requireKey(Object key) {
    if (key instanceof List<?> || key instanceof Map<?, ?>) {
      throw new Fault("a " + typeName(key) + " cannot be a key");
    }
  }

  /** The key of {@code map} that equals {@code key}, else {@code key}. */
  static Object sameKey(Rendering rendering, Map<?, ?> map, Object key) {
    if (!(key instanceof String)) {
      for (var other : map.keySet()) {
        if (equal(rendering, other, key)) {
          return other;
        }
      }
    }
    return key;
  }

  /** A dict's value, or null; 1, 1.0 and true are the same key. */
  static @Nullable Object get(Rendering rendering, Map<?, ?> map, Object key) {
    var value = map.get(plain(key));
    if (value == null && !(plain(key) instanceof String)) {
      return map.get(sameKey(rendering, map, key));
    }
    return value;
  }

  /** {@code value[index]}, or null where Python raises a LookupError or a TypeError. */
  static @Nullable Object item(Rendering rendering, Object value, Object index) {
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (value instanceof Map<?, ?> map) {
      return index instanceof List<?> || index instanceof Map<?, ?>
          ? null
          : get(rendering, map, index);
    }
    if (!(integer(index) instanceof Long i) || value instanceof View) {
      return null;
    }
    long size = lengthOrUnknown(value);
    long at = i < 0 ? i + size : i;
    if (at < 0 || at >= size) {
      return null;
    }
    return switch (value) {
      case String s -> Text.slice(s, (int) at, (int) at + 1);
      case List<?> list -> list.get((int) at);
      case Tuple tuple -> tuple.items().get((int) at);
      case Range range -> range.at(at);
      default -> null;
    };
  }

  /** {@code value[start:stop:step]}; bounds are {@link None} where left out. */
  static Object slice(Rendering rendering, Object value, Object start, Object stop, Object step) {
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (!(value instanceof String
        || value instanceof List<?>
        || value instanceof Tuple
        || value instanceof Range)) {
      throw new Fault("a '" + typeName(value) + "' cannot be sliced");
    }
    long size = length(value);
    long by = step == None.NONE ? 1 : bound(step);
    if (by == 0) {
      throw new Fault("the step of a slice is zero");
    }
    long low = by > 0 ? 0 : -1;
    long high = by > 0 ? size : size - 1;
    long from = start == None.NONE ? (by > 0 ? low : high) : clamp(bound(start), size, low, high);
    long to = stop == None.NONE ? (by > 0 ? high : low) : clamp(bound(stop), size, low, high);
    var chosen = new Range(from, to, by);
    rendering.spend(chosen.size() / 4);
    return switch (value) {
      case String s -> sliceText(s, chosen);
      case Range range ->
          new Range(
              range.at(from),
              range.at(to),
              Arithmetic.exact(() -> Math.multiplyExact(range.step(), by)));
      case Tuple tuple -> new Tuple(choose(tuple.items(), chosen));
      default -> choose(itemsOf(value), chosen);
    };
  }

  private static String sliceText(String s, Range chosen) {
    if (chosen.step() == 1) {
      return chosen.size() == 0 ? "" : Text.slice(s, (int) chosen.start(), (int) chosen.stop());
    }
    var codePoints = s.codePoints().toArray();
    var out = new StringBuilder();
    for (long i = 0; i < chosen.size(); i++) {
      out.appendCodePoint(codePoints[(int) chosen.at(i)]);
    }
    return out.toString();
  }

  private static List<Object> choose(List<Object> items, Range chosen) {
    var out = new ArrayList<Object>();
    for (long i = 0; i < chosen.size(); i++) {
      out.add(items.get((int) chosen.at(i)));
    }
    return out;
  }

  private static long bound(Object value) {
    return switch (integer(value)) {
      case Long l -> l;
      case Undefined undefined -> throw undefined.fault();
      default -> throw new Fault("a slice needs integers, found " + typeName(value));
    };
  }

  private static long clamp(long bound, long size, long low, long high) {
    long at = bound < 0 ? bound + size : bound;
    return Math.clamp(at, low, high);
  }

  /** {@code sorted(items)} by keys: stable, and by Python's order. */
  static List<Object> sorted(
      Rendering rendering, List<Object> items, List<Object> keys, boolean reverse) {
    var order = new ArrayList<Integer>();
    for (int i = 0; i < items.size(); i++) {
      order.add(i);
    }
    try {
      order.sort(
          (a, b) -> {
            int sign = compare(rendering, keys.get(a), keys.get(b));
            return reverse ? -sign : sign;
          });
    } catch (IllegalArgumentException e) {
      throw new Fault("the items to sort have no consistent order");
    }
    var out = new ArrayList<Object>();
    order.forEach(i -> out.add(items.get(i)));
    return out;
  }

  /** {@code list(reversed(items))}. */
  static List<Object> reversed(List<Object> items) {
    var out = new ArrayList<>(items);
    Collections.reverse(out);
    return out;
  }
}
