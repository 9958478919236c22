package io.lrt4j.text.template;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Variables, and those around them. A loop's turn, a macro and a block have a scope of their own.
 */
final class Scope {
  private final @Nullable Scope outer;
  private final Map<String, Object> variables = new HashMap<>();

  Scope(@Nullable Scope outer) {
    this.outer = outer;
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  @Nullable Object get(String name) {
    for (var scope = this; scope != null; scope = scope.outer) {
      var value = scope.variables.get(name);
      if (value != null) {
        return value;
      }
    }
    return null;
  }
}
