package io.lrt4j.text.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** Values that Java has no type for, and the conversion of input to values. */
sealed interface Value {
  /** Python's {@code None}. */
  enum None implements Value {
    NONE
  }

  /** What a missing name or attribute gives: prints as nothing, fails in any other use. */
  record Undefined(String message) implements Value {
    Fault fault() {
      return new Fault(message);
    }
  }

  record Tuple(List<Object> items) implements Value {}

  record Range(long start, long stop, long step) implements Value {
    long size() {
      long span = step > 0 ? stop - start : start - stop;
      return span <= 0 ? 0 : (span - 1) / Math.abs(step) + 1;
    }

    long at(long i) {
      return start + i * step;
    }

    Iterator<Object> iterator() {
      return new Iterator<>() {
        private long next;

        @Override
        public boolean hasNext() {
          return next < size();
        }

        @Override
        public Object next() {
          if (!hasNext()) {
            throw new NoSuchElementException();
          }
          return at(next++);
        }
      };
    }
  }

  /** {@code dict.keys()}, {@code values()} or {@code items()}. */
  record View(String name, List<Object> items) implements Value {}

  /** A lazy sequence, gone after one pass: what {@code map}, {@code select} and the like give. */
  record Generator(Iterator<Object> items) implements Value {}

  /** Text that is HTML already ({@code safe}, {@code escape}): {@code +} escapes the other side. */
  record Markup(String text) implements Value {}

  /** {@code namespace(…)}: the one thing that templates can change. */
  record Namespace(Map<String, Object> attributes) implements Value {}

  /** Something that can be called; {@code name} is for messages. */
  record Function(String name, Body body) implements Value {
    /** What a function does. */
    interface Body {
      Object call(Rendering rendering, Arguments arguments);
    }
  }

  /** The {@code loop} variable. */
  final class Loop implements Value {
    private final Iterator<Object> items;
    private final long known;
    private final List<Object> ahead = new ArrayList<>();
    private long length = -1;
    private long index0 = -1;
    private Object previous = None.NONE;
    private Object current = None.NONE;

    /**
     * @param known the number of items, or -1 for a generator
     */
    Loop(Iterator<Object> items, long known) {
      this.items = items;
      this.known = known;
    }

    boolean advance() {
      if (!peek()) {
        return false;
      }
      previous = current;
      current = ahead.removeFirst();
      index0++;
      return true;
    }

    Object current() {
      return current;
    }

    private boolean peek() {
      if (ahead.isEmpty() && items.hasNext()) {
        ahead.add(items.next());
      }
      return !ahead.isEmpty();
    }

    private long length() {
      if (known >= 0) {
        return known;
      }
      if (length < 0) {
        items.forEachRemaining(ahead::add);
        length = index0 + 1 + ahead.size();
      }
      return length;
    }

    @Nullable Object attribute(String name) {
      return switch (name) {
        case "index" -> index0 + 1;
        case "index0" -> index0;
        case "first" -> index0 == 0;
        case "last" -> !peek();
        case "length" -> length();
        case "revindex" -> length() - index0;
        case "revindex0" -> length() - index0 - 1;
        case "depth" -> 1L; // recursive loops are not supported
        case "depth0" -> 0L;
        case "previtem" -> index0 == 0 ? new Undefined("there is no previous item") : previous;
        case "nextitem" -> peek() ? ahead.getFirst() : new Undefined("there is no next item");
        case "cycle" -> new Function("cycle", (_, a) -> cycle(a));
        case "changed" -> throw Fault.unsupported("'loop.changed'");
        default -> null;
      };
    }

    private Object cycle(Arguments arguments) {
      if (arguments.positional().isEmpty()) {
        throw new Fault("no items for cycling given");
      }
      return arguments.positional().get((int) (index0 % arguments.positional().size()));
    }
  }

  /** Deepest nesting of lists and maps in what a template is given. */
  int MAX_INPUT_DEPTH = 100;

  /** A value of what Java code or a JSON file gave. */
  static Object of(@Nullable Object input) {
    return of(input, 0);
  }

  private static Object of(@Nullable Object input, int depth) {
    if (depth > MAX_INPUT_DEPTH) {
      throw new Fault("the input nests deeper than " + MAX_INPUT_DEPTH + " levels");
    }
    return switch (input) {
      case null -> None.NONE;
      case String s -> s;
      case CharSequence s -> s.toString();
      case Boolean b -> b;
      case Float f -> f.doubleValue();
      case Double d -> d;
      case BigInteger i -> i.bitLength() < Long.SIZE ? (Object) i.longValue() : i;
      case Long l -> l;
      case Integer i -> i.longValue();
      case Short i -> i.longValue();
      case Byte i -> i.longValue();
      case Map<?, ?> map -> {
        var copy = LinkedHashMap.<Object, Object>newLinkedHashMap(map.size());
        map.forEach((key, value) -> copy.put(of(key, depth + 1), of(value, depth + 1)));
        yield copy;
      }
      case Iterable<?> items -> {
        var copy = new ArrayList<Object>();
        items.forEach(item -> copy.add(of(item, depth + 1)));
        yield copy;
      }
      case Object[] items -> of(List.of(items), depth);
      case Value value -> value;
      default ->
          throw new Fault(
              "a chat template cannot be given a "
                  + input.getClass().getName()
                  + ", only strings, numbers, booleans, lists and maps");
    };
  }
}
