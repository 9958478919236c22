package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Markup;
import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The {@code tojson} filter as transformers defines it: Python's {@code json.dumps}. */
final class Json {
  private final Rendering rendering;
  private final boolean ascii;
  private final boolean sortKeys;
  private final @Nullable String indent;
  private final String itemSeparator;
  private final String keySeparator;
  private final StringBuilder out = new StringBuilder();

  private Json(Rendering rendering, Arguments arguments) {
    var a = arguments.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
    this.rendering = rendering;
    this.ascii = a.flag(0);
    this.indent =
        !a.has(1)
            ? null
            : a.get(1) instanceof String s
                ? s
                : StringMethods.pad(rendering, " ", Math.max(0, a.integer(1, 0)));
    this.sortKeys = a.flag(3);
    if (a.has(2)) {
      var separators = rendering.list(a.get(2));
      if (separators.size() != 2) {
        throw new Fault("tojson expects two separators, found " + separators.size());
      }
      this.itemSeparator = rendering.str(separators.get(0));
      this.keySeparator = rendering.str(separators.get(1));
    } else {
      this.itemSeparator = indent == null ? ", " : ",";
      this.keySeparator = ": ";
    }
  }

  static String dump(Rendering rendering, Object value, Arguments arguments) {
    var json = new Json(rendering, arguments);
    json.write(value, 0);
    return json.out.toString();
  }

  private void write(Object value, int depth) {
    rendering.enter();
    rendering.spend(1);
    switch (value) {
      case None _ -> out.append("null");
      case Boolean b -> out.append(b);
      case String s -> string(s);
      case Markup m -> string(m.text());
      case Double d -> out.append(number(d));
      case Number n -> out.append(n);
      case List<?> list -> array(list, depth);
      case Tuple tuple -> array(tuple.items(), depth);
      case Map<?, ?> map -> object(map, depth);
      case Undefined undefined -> throw undefined.fault();
      default -> throw new Fault("a " + Operators.typeName(value) + " cannot be written as JSON");
    }
    rendering.leave();
    rendering.limit(out);
  }

  private static String number(double d) {
    return Double.isNaN(d)
        ? "NaN"
        : Double.isInfinite(d) ? (d > 0 ? "Infinity" : "-Infinity") : Rendering.number(d);
  }

  private void array(List<?> items, int depth) {
    out.append('[');
    boolean first = true;
    for (var item : items) {
      separate(first, depth + 1);
      first = false;
      write(item, depth + 1);
    }
    close(first, depth, ']');
  }

  private void object(Map<?, ?> map, int depth) {
    out.append('{');
    boolean first = true;
    for (Object key : sortKeys ? sortedKeys(map) : map.keySet()) {
      separate(first, depth + 1);
      first = false;
      string(key(key));
      out.append(keySeparator);
      var value = map.get(key);
      write(value == null ? None.NONE : value, depth + 1);
    }
    close(first, depth, '}');
  }

  private List<Object> sortedKeys(Map<?, ?> map) {
    var keys = new ArrayList<Object>(map.keySet());
    return Operators.sorted(rendering, keys, keys, false);
  }

  private static String key(Object key) {
    return switch (key) {
      case String s -> s;
      case Markup m -> m.text();
      case None _ -> "null";
      case Boolean b -> b.toString();
      case Double d -> number(d);
      case Number n -> n.toString();
      default -> throw new Fault("a " + Operators.typeName(key) + " cannot be a key in JSON");
    };
  }

  private void separate(boolean first, int depth) {
    out.append(first ? "" : itemSeparator);
    newline(depth);
  }

  private void close(boolean empty, int depth, char bracket) {
    if (!empty) {
      newline(depth);
    }
    out.append(bracket);
  }

  private void newline(int depth) {
    if (indent != null) {
      rendering.spendText((long) depth * indent.length());
      out.append('\n').append(indent.repeat(depth));
    }
  }

  private void string(String s) {
    rendering.spendText(s.length());
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < 0x20 || (ascii && c > 0x7e)) {
            out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
