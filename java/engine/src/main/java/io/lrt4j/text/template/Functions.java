package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Function;
import io.lrt4j.text.template.Value.Namespace;
import io.lrt4j.text.template.Value.Range;
import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.Map;

/** The names that every template knows: Jinja's own and those that transformers adds. */
final class Functions {
  private static final long MAX_RANGE = 100_000; // of Jinja's sandbox

  static final Map<String, Object> GLOBALS =
      Map.of(
          "range", new Function("range", (_, a) -> range(a)),
          "dict", new Function("dict", (r, a) -> mapping(r, "dict", a)),
          "namespace", new Function("namespace", Functions::namespace),
          "raise_exception", new Function("raise_exception", Functions::raise),
          "strftime_now", new Function("strftime_now", Functions::now),
          "cycler", unsupported("cycler"),
          "joiner", unsupported("joiner"),
          "lipsum", unsupported("lipsum"));

  private Functions() {}

  private static Function unsupported(String name) {
    return new Function(
        name,
        (_, _) -> {
          throw Fault.unsupported("the function '" + name + "'");
        });
  }

  private static Object range(Arguments arguments) {
    var a = arguments.bindPositional("range", 1, "start", "stop", "step");
    boolean one = arguments.positional().size() == 1;
    long step = a.integer(2, 1);
    if (step == 0) {
      throw new Fault("the step of a range is zero");
    }
    long start = one ? 0 : a.integer(0, 0);
    long stop = a.integer(one ? 0 : 1, 0);
    double size = ((double) stop - start) / step;
    if (size > MAX_RANGE || Math.abs((double) stop - start) > 1L << 60) {
      throw new Fault("a range is longer than " + MAX_RANGE + " items");
    }
    return new Range(start, stop, step);
  }

  private static Object namespace(Rendering rendering, Arguments arguments) {
    var attributes = new LinkedHashMap<String, Object>();
    mapping(rendering, "namespace", arguments)
        .forEach((key, value) -> attributes.put(rendering.str(key), value));
    return new Namespace(attributes);
  }

  private static Object raise(Rendering rendering, Arguments arguments) {
    throw new Fault(rendering.str(arguments.bind("raise_exception", 1, "message").get(0)));
  }

  private static Object now(Rendering rendering, Arguments arguments) {
    var format = arguments.bind("strftime_now", 1, "format").string(0);
    return Strftime.format(format, LocalDateTime.now(rendering.clock));
  }

  /** {@code dict(…)}, {@code namespace(…)}: a mapping or pairs, then keyword arguments. */
  private static Map<Object, Object> mapping(
      Rendering rendering, String name, Arguments arguments) {
    var map = new LinkedHashMap<Object, Object>();
    if (arguments.positional().size() > 1) {
      throw new Fault(name + " takes one positional argument at most");
    }
    for (var source : arguments.positional()) {
      if (source instanceof Map<?, ?> given) {
        map.putAll(given);
      } else {
        for (var pair : rendering.list(source)) {
          var items = rendering.list(pair);
          if (items.size() != 2) {
            throw new Fault(name + " expects pairs, found " + items.size() + " items");
          }
          Operators.requireKey(items.getFirst());
          map.put(items.getFirst(), items.getLast());
        }
      }
    }
    map.putAll(arguments.named());
    return map;
  }
}
