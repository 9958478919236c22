package io.lrt4j.text.template;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The evaluated arguments of a call. */
record Arguments(List<Object> positional, Map<String, Object> named) {
  /**
   * Assigns the arguments to parameters, as Python does.
   *
   * @param function for messages
   * @param required how many of the parameters have no default
   */
  Bound bind(String function, int required, String... parameters) {
    if (positional.size() > parameters.length) {
      throw new Fault(
          "%s takes at most %d arguments, found %d"
              .formatted(function, parameters.length, positional.size()));
    }
    var values = new @Nullable Object[parameters.length];
    for (int i = 0; i < positional.size(); i++) {
      values[i] = positional.get(i);
    }
    named.forEach(
        (name, value) -> {
          int i = Arrays.asList(parameters).indexOf(name);
          if (i < 0) {
            throw new Fault("%s has no argument '%s'".formatted(function, name));
          }
          if (values[i] != null) {
            throw new Fault("%s got its argument '%s' twice".formatted(function, name));
          }
          values[i] = value;
        });
    for (int i = 0; i < required; i++) {
      if (values[i] == null) {
        throw new Fault("%s needs its argument '%s'".formatted(function, parameters[i]));
      }
    }
    return new Bound(function, parameters, values);
  }

  /** For what takes positional arguments only. */
  Bound bindPositional(String function, int required, String... parameters) {
    if (!named.isEmpty()) {
      throw new Fault(function + " takes no keyword arguments");
    }
    return bind(function, required, parameters);
  }

  /** Arguments by the number of their parameter. */
  static final class Bound {
    private final String function;
    private final String[] parameters;
    private final @Nullable Object[] values;

    private Bound(String function, String[] parameters, @Nullable Object[] values) {
      this.function = function;
      this.parameters = parameters;
      this.values = values;
    }

    boolean has(int i) {
      return values[i] != null && values[i] != Value.None.NONE;
    }

    Object get(int i) {
      var value = values[i];
      return value == null ? Value.None.NONE : value;
    }

    Object or(int i, Object otherwise) {
      var value = values[i];
      return value == null ? otherwise : value;
    }

    String string(int i) {
      return switch (get(i)) {
        case String s -> s;
        case Value.Markup m -> m.text();
        default -> throw wrong(i, "a string");
      };
    }

    String string(int i, String otherwise) {
      return has(i) ? string(i) : otherwise;
    }

    long integer(int i, long otherwise) {
      return switch (or(i, otherwise)) {
        case Long l -> l;
        case Boolean b -> b ? 1 : 0;
        default -> throw wrong(i, "an integer");
      };
    }

    boolean flag(int i) {
      return Operators.truth(or(i, false));
    }

    private Fault wrong(int i, String expected) {
      return new Fault(
          "%s expects %s as '%s', found %s"
              .formatted(function, expected, parameters[i], Operators.typeName(get(i))));
    }
  }
}
