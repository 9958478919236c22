package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Generator;
import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Undefined;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Filters over lists, dicts and generators. */
final class SequenceFilters {
  private SequenceFilters() {}

  static void addTo(Map<String, Filters.Filter> filters) {
    filters.put("length", (_, v, a) -> Operators.length(Filters.none("length", a, v)));
    filters.put("count", (_, v, a) -> Operators.length(Filters.none("count", a, v)));
    filters.put("list", (r, v, a) -> r.list(Filters.none("list", a, v)));
    filters.put("first", SequenceFilters::first);
    filters.put("last", SequenceFilters::last);
    filters.put("reverse", SequenceFilters::reverse);
    filters.put("join", SequenceFilters::join);
    filters.put("items", SequenceFilters::items);
    filters.put("dictsort", SequenceFilters::dictSort);
    filters.put("sort", SequenceFilters::sort);
    filters.put("unique", SequenceFilters::unique);
    filters.put("min", (r, v, a) -> extreme("min", r, v, a));
    filters.put("max", (r, v, a) -> extreme("max", r, v, a));
    filters.put("sum", SequenceFilters::sum);
    filters.put("batch", SequenceFilters::batch);
    filters.put("slice", SequenceFilters::slice);
    filters.put("map", SequenceFilters::map);
    filters.put("select", (r, v, a) -> select(r, v, a, false, true));
    filters.put("reject", (r, v, a) -> select(r, v, a, false, false));
    filters.put("selectattr", (r, v, a) -> select(r, v, a, true, true));
    filters.put("rejectattr", (r, v, a) -> select(r, v, a, true, false));
  }

  private static Object first(Rendering rendering, Object value, Arguments arguments) {
    var items = rendering.iterate(Filters.none("first", arguments, value));
    return items.hasNext() ? items.next() : new Undefined("no first item, the sequence is empty");
  }

  private static Object last(Rendering rendering, Object value, Arguments arguments) {
    long length = Operators.length(Filters.none("last", arguments, value));
    if (length == 0) {
      return new Undefined("no last item, the sequence is empty");
    }
    return rendering.list(value).get((int) length - 1);
  }

  private static Object reverse(Rendering rendering, Object value, Arguments arguments) {
    Filters.none("reverse", arguments, value);
    if (value instanceof String s) {
      return Operators.slice(rendering, s, None.NONE, None.NONE, -1L);
    }
    var reversed = Operators.reversed(rendering.list(value));
    // What has no length cannot be walked backwards; Jinja then makes a list.
    return Operators.lengthOrUnknown(value) < 0 ? reversed : new Generator(reversed.iterator());
  }

  private static Object join(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("join", 0, "d", "attribute");
    var items = rendering.list(value);
    if (a.has(1)) {
      items.replaceAll(getter(rendering, a.get(1), null));
    }
    return StringMethods.join(rendering, rendering.str(a.or(0, "")), items);
  }

  private static Object items(Rendering rendering, Object value, Arguments arguments) {
    return switch (Filters.none("items", arguments, value)) {
      case Undefined _ -> new Generator(List.of().iterator());
      case Map<?, ?> map -> new Generator(Attributes.pairs(map).iterator());
      default -> throw new Fault("items expects a dict, found " + Operators.typeName(value));
    };
  }

  private static Object dictSort(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("dictsort", 0, "case_sensitive", "by", "reverse");
    var by = a.has(1) ? a.string(1) : "key";
    if (!by.equals("key") && !by.equals("value")) {
      throw new Fault("dictsort sorts by key or value, found '" + by + "'");
    }
    if (value instanceof Undefined undefined) {
      throw undefined.fault();
    }
    if (!(value instanceof Map<?, ?> map)) {
      throw new Fault("dictsort expects a dict, found " + Operators.typeName(value));
    }
    var keys = new ArrayList<Object>(by.equals("key") ? map.keySet() : map.values());
    if (!a.flag(0)) {
      keys.replaceAll(SequenceFilters::ignoreCase);
    }
    return Operators.sorted(rendering, Attributes.pairs(map), keys, a.flag(2));
  }

  private static Object ignoreCase(Object value) {
    return value instanceof String s ? Text.lower(s) : value;
  }

  private static Object sort(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("sort", 0, "reverse", "case_sensitive", "attribute");
    var items = rendering.list(value);
    var getters = new ArrayList<UnaryOperator<Object>>();
    if (a.get(2) instanceof String attributes) {
      for (var attribute : attributes.split(",", -1)) {
        getters.add(getter(rendering, attribute, null));
      }
    } else {
      getters.add(getter(rendering, a.get(2), null));
    }
    var keys = new ArrayList<Object>();
    for (var item : items) {
      var key = new ArrayList<Object>();
      getters.forEach(g -> key.add(a.flag(1) ? g.apply(item) : ignoreCase(g.apply(item))));
      keys.add(key);
    }
    return Operators.sorted(rendering, items, keys, a.flag(0));
  }

  private static Object unique(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("unique", 0, "case_sensitive", "attribute");
    var getter = getter(rendering, a.get(1), null);
    var seen = new ArrayList<Object>();
    return filtered(
        rendering.iterate(value),
        item -> {
          var key = a.flag(0) ? getter.apply(item) : ignoreCase(getter.apply(item));
          Operators.requireKey(key);
          if (Operators.contains(rendering, seen, key)) {
            return false;
          }
          seen.add(key);
          return true;
        });
  }

  private static Object extreme(
      String name, Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind(name, 0, "case_sensitive", "attribute");
    var getter = getter(rendering, a.get(1), null);
    Object best = null;
    Object bestKey = None.NONE;
    for (var items = rendering.iterate(value); items.hasNext(); ) {
      var item = items.next();
      var key = a.flag(0) ? getter.apply(item) : ignoreCase(getter.apply(item));
      if (best == null
          || Operators.compare(rendering, name.equals("min") ? "<" : ">", key, bestKey)) {
        best = item;
        bestKey = key;
      }
    }
    return best == null ? new Undefined("no aggregated item, the sequence is empty") : best;
  }

  private static Object sum(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("sum", 0, "attribute", "start");
    var getter = getter(rendering, a.get(0), null);
    var sum = a.or(1, 0L);
    if (Operators.plain(sum) instanceof String) {
      throw new Fault("sum cannot add strings; use join");
    }
    for (var items = rendering.iterate(value); items.hasNext(); ) {
      sum = Arithmetic.binary(rendering, "+", sum, getter.apply(items.next()));
    }
    return sum;
  }

  private static Object batch(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("batch", 1, "linecount", "fill_with");
    long size = a.integer(0, 0);
    var batches = new ArrayList<Object>();
    List<Object> batch = new ArrayList<>();
    for (var item : rendering.list(value)) {
      if (batch.size() == size) {
        batches.add(batch);
        batch = new ArrayList<>();
      }
      batch.add(item);
    }
    if (!batch.isEmpty()) {
      if (a.has(1)) {
        fill(rendering, batch, a.get(1), size);
      }
      batches.add(batch);
    }
    return new Generator(batches.iterator());
  }

  private static void fill(Rendering rendering, List<Object> batch, Object item, long size) {
    while (batch.size() < size) {
      rendering.spend(1);
      batch.add(item);
    }
  }

  private static Object slice(Rendering rendering, Object value, Arguments arguments) {
    var a = arguments.bind("slice", 1, "slices", "fill_with");
    long slices = a.integer(0, 0);
    if (slices <= 0) {
      throw new Fault("slice expects at least one slice, found " + slices);
    }
    var items = rendering.list(value);
    rendering.spend(slices);
    var out = new ArrayList<Object>();
    int at = 0;
    for (long i = 0; i < slices; i++) {
      boolean longer = i < items.size() % slices;
      int end = at + (int) (items.size() / slices) + (longer ? 1 : 0);
      var slice = new ArrayList<>(items.subList(at, end));
      if (a.has(1) && !longer) {
        slice.add(a.get(1));
      }
      out.add(slice);
      at = end;
    }
    return new Generator(out.iterator());
  }

  private static Object map(Rendering rendering, Object value, Arguments arguments) {
    if (!Operators.truth(value)) {
      return new Generator(List.of().iterator());
    }
    UnaryOperator<Object> function;
    if (arguments.positional().isEmpty() && arguments.named().containsKey("attribute")) {
      var a = arguments.bind("map", 0, "attribute", "default");
      function = getter(rendering, a.get(0), a.has(1) ? a.get(1) : null);
    } else {
      if (arguments.positional().isEmpty()
          || !(Operators.plain(arguments.positional().getFirst()) instanceof String name)) {
        throw new Fault("map expects the name of a filter, or an attribute");
      }
      var rest = rest(arguments, 1);
      function = item -> Filters.apply(rendering, name, item, rest);
    }
    var items = rendering.iterate(value);
    return new Generator(
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            return items.hasNext();
          }

          @Override
          public Object next() {
            return function.apply(items.next());
          }
        });
  }

  private static Arguments rest(Arguments arguments, int skip) {
    var positional = arguments.positional();
    return new Arguments(positional.subList(skip, positional.size()), arguments.named());
  }

  private static Object select(
      Rendering rendering, Object value, Arguments arguments, boolean byAttribute, boolean keep) {
    if (!Operators.truth(value)) {
      return new Generator(List.of().iterator());
    }
    var positional = arguments.positional();
    int named = byAttribute ? 1 : 0;
    if (positional.size() < named) {
      throw new Fault("selectattr and rejectattr expect the name of an attribute");
    }
    var getter = getter(rendering, byAttribute ? positional.getFirst() : None.NONE, null);
    if (positional.size() == named) {
      return filtered(
          rendering.iterate(value), item -> Operators.truth(getter.apply(item)) == keep);
    }
    if (!(Operators.plain(positional.get(named)) instanceof String test)) {
      throw new Fault("select and reject expect the name of a test");
    }
    var rest = rest(arguments, named + 1);
    return filtered(
        rendering.iterate(value),
        item -> Tests.apply(rendering, test, getter.apply(item), rest) == keep);
  }

  private static Generator filtered(Iterator<Object> items, Predicate<Object> keep) {
    return new Generator(
        new Iterator<>() {
          private @Nullable Object next;

          @Override
          public boolean hasNext() {
            while (next == null && items.hasNext()) {
              var item = items.next();
              next = keep.test(item) ? item : null;
            }
            return next != null;
          }

          @Override
          public Object next() {
            if (!hasNext()) {
              throw new NoSuchElementException();
            }
            var item = Objects.requireNonNull(next);
            next = null;
            return item;
          }
        });
  }

  /** Looks up {@code "a.b.0"} step by step; {@link None} gives the item itself. */
  private static UnaryOperator<Object> getter(
      Rendering rendering, Object attribute, @Nullable Object otherwise) {
    var path = new ArrayList<Object>();
    if (Operators.plain(attribute) instanceof String s) {
      for (var part : s.split("\\.", -1)) {
        boolean number = part.length() < 10 && !part.isEmpty() && Character.isDigit(part.charAt(0));
        path.add(number && part.chars().allMatch(Character::isDigit) ? Long.valueOf(part) : part);
      }
    } else if (attribute != None.NONE) {
      path.add(attribute);
    }
    return item -> {
      var value = item;
      for (var part : path) {
        value = Attributes.item(rendering, value, part);
        if (otherwise != null && value instanceof Undefined) {
          value = otherwise;
        }
      }
      return value;
    };
  }
}
