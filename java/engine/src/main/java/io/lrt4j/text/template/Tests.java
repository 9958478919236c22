package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Range;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** The tests, by name: {@code value is name(arguments)}. */
final class Tests {
  private interface Test {
    boolean apply(Rendering rendering, Object value, Arguments arguments);
  }

  private static final Map<String, Test> TESTS = tests();

  private Tests() {}

  static boolean isKnown(String name) {
    return TESTS.containsKey(name);
  }

  static Fault unknown(String name) {
    return new Fault("there is no test '" + name + "'");
  }

  static boolean apply(Rendering rendering, String name, Object value, Arguments arguments) {
    var test = TESTS.get(name);
    if (test == null) {
      throw unknown(name);
    }
    return test.apply(rendering, value, arguments);
  }

  private static Map<String, Test> tests() {
    var tests = new HashMap<String, Test>();
    plain(tests, "defined", v -> !(v instanceof Undefined));
    plain(tests, "undefined", v -> v instanceof Undefined);
    plain(tests, "none", v -> v == None.NONE);
    plain(tests, "boolean", v -> v instanceof Boolean);
    plain(tests, "true", v -> Boolean.TRUE.equals(v));
    plain(tests, "false", v -> Boolean.FALSE.equals(v));
    plain(tests, "integer", v -> v instanceof Number && !(v instanceof Double));
    plain(tests, "float", v -> v instanceof Double);
    plain(tests, "number", Operators::isNumber);
    plain(tests, "string", v -> Operators.plain(v) instanceof String);
    plain(tests, "mapping", v -> v instanceof Map<?, ?>);
    plain(tests, "sequence", Tests::isSequence);
    plain(tests, "iterable", Tests::isIterable);
    plain(tests, "callable", v -> v instanceof Value.Function || v instanceof Undefined);
    plain(tests, "escaped", v -> v instanceof Value.Markup);
    plain(tests, "filter", v -> v instanceof String name && Filters.isKnown(name));
    plain(tests, "test", v -> v instanceof String name && isKnown(name));
    tests.put("lower", (r, v, a) -> Text.isLower(Filters.none("lower", a, r.str(v))));
    tests.put("upper", (r, v, a) -> Text.isUpper(Filters.none("upper", a, r.str(v))));
    tests.put("odd", (r, v, a) -> rest(r, Filters.none("odd", a, v), 2L, 1L));
    tests.put("even", (r, v, a) -> rest(r, Filters.none("even", a, v), 2L, 0L));
    tests.put("divisibleby", (r, v, a) -> rest(r, v, a.bind("divisibleby", 1, "num").get(0), 0L));
    tests.put("sameas", (r, v, a) -> same(r, v, a.bind("sameas", 1, "other").get(0)));
    Map.of(
            "==", List.of("eq", "equalto"),
            "!=", List.of("ne"),
            ">", List.of("gt", "greaterthan"),
            ">=", List.of("ge"),
            "<", List.of("lt", "lessthan"),
            "<=", List.of("le"),
            "in", List.<String>of())
        .forEach(
            (operator, names) -> {
              Test test =
                  (r, v, a) ->
                      Operators.compare(r, operator, v, a.bind(operator, 1, "other").get(0));
              tests.put(operator, test);
              names.forEach(name -> tests.put(name, test));
            });
    return Map.copyOf(tests);
  }

  private static void plain(Map<String, Test> tests, String name, Predicate<Object> test) {
    tests.put(name, (_, v, a) -> test.test(Filters.none(name, a, v)));
  }

  private static boolean isSequence(Object value) {
    return Operators.plain(value) instanceof String
        || value instanceof List<?>
        || value instanceof Tuple
        || value instanceof Map<?, ?>
        || value instanceof Range
        || value instanceof Undefined;
  }

  private static boolean isIterable(Object value) {
    return isSequence(value)
        || value instanceof Value.View
        || value instanceof Value.Generator
        || value instanceof Value.Loop;
  }

  private static boolean rest(Rendering rendering, Object value, Object by, Object expected) {
    return Operators.equal(rendering, Arithmetic.binary(rendering, "%", value, by), expected);
  }

  /** Python's identity: of objects where it has them, of small constants by value. */
  @SuppressWarnings("ReferenceEquality")
  private static boolean same(Rendering rendering, Object a, Object b) {
    boolean constants = a instanceof Boolean || a instanceof Long || a instanceof String;
    return constants ? a.getClass() == b.getClass() && Operators.equal(rendering, a, b) : a == b;
  }
}
