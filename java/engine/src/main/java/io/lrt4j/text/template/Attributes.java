package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Function;
import io.lrt4j.text.template.Value.Loop;
import io.lrt4j.text.template.Value.Markup;
import io.lrt4j.text.template.Value.Namespace;
import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import io.lrt4j.text.template.Value.View;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** {@code value.name} and {@code value[index]}, and the methods of lists, tuples and dicts. */
final class Attributes {
  /** Methods that would change their receiver: Jinja's immutable sandbox hides them. */
  private static final Set<String> MUTATORS_OF_LISTS =
      Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

  private static final Set<String> MUTATORS_OF_DICTS =
      Set.of("clear", "pop", "popitem", "setdefault", "update");

  private static final Set<String> ATTRIBUTES_OF_NUMBERS =
      Set.of(
          "as_integer_ratio",
          "bit_count",
          "bit_length",
          "conjugate",
          "denominator",
          "hex",
          "imag",
          "is_integer",
          "numerator",
          "real",
          "to_bytes");

  private Attributes() {}

  /** {@code value.name}: the attribute, else the item of that name, else undefined. */
  static Object attribute(Rendering rendering, Object value, String name) {
    var attribute = attribute(value, name);
    if (attribute == null) {
      attribute = Operators.item(rendering, value, name);
    }
    return attribute == null ? missing(value, name) : attribute;
  }

  /** {@code value[index]}: the item, else the attribute of that name, else undefined. */
  static Object item(Rendering rendering, Object value, Object index) {
    var item = Operators.item(rendering, value, index);
    if (item == null && Operators.plain(index) instanceof String name) {
      item = attribute(value, name);
    }
    return item == null ? missing(value, index) : item;
  }

  private static Undefined missing(Object value, Object name) {
    var type = Operators.typeName(value);
    return new Undefined(
        switch (name) {
          case String s -> "a '" + type + "' has no attribute '" + s + "'";
          case Number n -> "a '" + type + "' has no element " + n;
          default -> "a '" + type + "' has no such element";
        });
  }

  private static @Nullable Object attribute(Object value, String name) {
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (name.startsWith("__") && name.endsWith("__") && !(value instanceof Namespace)) {
      return new Undefined("the attribute '" + name + "' is unsafe");
    }
    return switch (value) {
      case String s -> StringMethods.get(s, name);
      case Markup _ -> throw Fault.unsupported("the attribute '" + name + "' of a safe string");
      case List<?> list ->
          MUTATORS_OF_LISTS.contains(name)
              ? unsafe("list", name)
              : name.equals("copy")
                  ? method("copy", 0, (_, _) -> new ArrayList<Object>(list))
                  : search(Operators.items(list), name);
      case Tuple tuple -> search(tuple.items(), name);
      case Map<?, ?> map -> dict(map, name);
      case Namespace namespace -> namespace.attributes().get(name);
      case Loop loop -> loop.attribute(name);
      case Number _ when ATTRIBUTES_OF_NUMBERS.contains(name) ->
          throw Fault.unsupported("the attribute '" + name + "' of a number");
      case Function function -> name.equals("name") ? function.name() : null;
      default -> null;
    };
  }

  private static Undefined unsafe(String type, String name) {
    return new Undefined("'" + name + "' would change a " + type + ", which a template may not do");
  }

  private static Function method(String name, int arguments, Value.Function.Body body) {
    return new Function(
        name,
        (rendering, a) -> {
          if (arguments == 0) {
            a.bindPositional(name, 0);
          }
          return body.call(rendering, a);
        });
  }

  private static @Nullable Object search(@Nullable List<Object> items, String name) {
    if (items == null) {
      return null;
    }
    return switch (name) {
      case "count" ->
          method(
              "count",
              1,
              (rendering, a) -> {
                var wanted = a.bindPositional("count", 1, "value").get(0);
                return items.stream().filter(i -> Operators.equal(rendering, i, wanted)).count();
              });
      case "index" ->
          method(
              "index",
              1,
              (rendering, a) -> {
                var wanted = a.bindPositional("index", 1, "value").get(0);
                for (int i = 0; i < items.size(); i++) {
                  if (Operators.equal(rendering, items.get(i), wanted)) {
                    return (long) i;
                  }
                }
                throw new Fault("the value is not in the list");
              });
      default -> null;
    };
  }

  private static @Nullable Object dict(Map<?, ?> map, String name) {
    if (MUTATORS_OF_DICTS.contains(name)) {
      return unsafe("dict", name);
    }
    return switch (name) {
      case "get" ->
          method(
              "get",
              1,
              (rendering, arguments) -> {
                var a = arguments.bindPositional("get", 1, "key", "default");
                Operators.requireKey(a.get(0));
                var value = Operators.get(rendering, map, a.get(0));
                return value == null ? a.or(1, None.NONE) : value;
              });
      case "keys" -> method("keys", 0, (_, _) -> new View("keys", new ArrayList<>(map.keySet())));
      case "values" ->
          method("values", 0, (_, _) -> new View("values", new ArrayList<>(map.values())));
      case "items" -> method("items", 0, (_, _) -> new View("items", pairs(map)));
      case "copy" -> method("copy", 0, (_, _) -> map);
      case "fromkeys" -> throw Fault.unsupported("the dict method 'fromkeys'");
      default -> null;
    };
  }

  /** {@code list(map.items())}. */
  static List<Object> pairs(Map<?, ?> map) {
    var pairs = new ArrayList<Object>();
    map.forEach((key, value) -> pairs.add(new Tuple(List.of(key, value))));
    return pairs;
  }
}
