package io.lrt4j.text.template;

import io.lrt4j.text.template.Arguments.Bound;
import io.lrt4j.text.template.Value.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Methods of {@code str}. */
final class StringMethods {
  private interface Method {
    Object call(Rendering rendering, String receiver, Arguments arguments);
  }

  private static final Map<String, Method> METHODS =
      Map.ofEntries(
          plain("upper", Text::upper),
          plain("lower", Text::lower),
          plain("title", Text::title),
          plain("capitalize", Text::capitalize),
          plain("isspace", Text::isSpace),
          plain("isupper", Text::isUpper),
          plain("islower", Text::isLower),
          plain("isalpha", s -> all(s, Text::isAlpha)),
          plain("isdigit", s -> all(s, Character::isDigit)),
          plain("isdecimal", s -> all(s, Character::isDigit)),
          plain("isnumeric", s -> all(s, Character::isDigit)),
          plain("isalnum", s -> all(s, c -> Text.isAlpha(c) || Character.isDigit(c))),
          Map.entry("strip", (_, s, a) -> strip("strip", s, a, true, true)),
          Map.entry("lstrip", (_, s, a) -> strip("lstrip", s, a, true, false)),
          Map.entry("rstrip", (_, s, a) -> strip("rstrip", s, a, false, true)),
          Map.entry("split", StringMethods::split),
          Map.entry("rsplit", StringMethods::splitFromEnd),
          Map.entry("splitlines", StringMethods::splitLines),
          Map.entry("partition", (r, s, a) -> partition(r, s, a, false)),
          Map.entry("rpartition", (r, s, a) -> partition(r, s, a, true)),
          Map.entry("startswith", (_, s, a) -> affix("startswith", s, a, String::startsWith)),
          Map.entry("endswith", (_, s, a) -> affix("endswith", s, a, String::endsWith)),
          Map.entry("removeprefix", (_, s, a) -> removePrefix(s, a)),
          Map.entry("removesuffix", (_, s, a) -> removeSuffix(s, a)),
          Map.entry("replace", StringMethods::replace),
          Map.entry("join", StringMethods::join),
          Map.entry("find", (r, s, a) -> find("find", r, s, a)),
          Map.entry("rfind", (r, s, a) -> find("rfind", r, s, a)),
          Map.entry("index", (r, s, a) -> find("index", r, s, a)),
          Map.entry("rindex", (r, s, a) -> find("rindex", r, s, a)),
          Map.entry("count", (r, s, a) -> find("count", r, s, a)),
          Map.entry("ljust", (r, s, a) -> justify("ljust", r, s, a)),
          Map.entry("rjust", (r, s, a) -> justify("rjust", r, s, a)),
          Map.entry("zfill", StringMethods::zeroFill),
          Map.entry("format", Printf::braces));

  private static final Set<String> UNSUPPORTED =
      Set.of(
          "casefold",
          "center",
          "encode",
          "expandtabs",
          "format_map",
          "isascii",
          "isidentifier",
          "isprintable",
          "istitle",
          "maketrans",
          "swapcase",
          "translate");

  private StringMethods() {}

  /** The method bound to its string, or null if strings have none of that name. */
  static Value.@Nullable Function get(String receiver, String name) {
    if (UNSUPPORTED.contains(name)) {
      throw Fault.unsupported("the string method '" + name + "'");
    }
    var method = METHODS.get(name);
    return method == null
        ? null
        : new Value.Function(name, (rendering, a) -> method.call(rendering, receiver, a));
  }

  private static Map.Entry<String, Method> plain(
      String name, java.util.function.Function<String, Object> method) {
    return Map.entry(
        name,
        (rendering, receiver, arguments) -> {
          arguments.bindPositional(name, 0);
          rendering.spendText(receiver.length());
          return method.apply(receiver);
        });
  }

  private static boolean all(String s, IntPredicate predicate) {
    return !s.isEmpty() && s.codePoints().allMatch(predicate);
  }

  private static Object strip(
      String name, String s, Arguments arguments, boolean start, boolean end) {
    var a = arguments.bindPositional(name, 0, "chars");
    return strip(s, a.has(0) ? a.string(0) : null, start, end);
  }

  /** Without {@code chars}, white space. */
  static String strip(String s, @Nullable String chars, boolean start, boolean end) {
    if (chars != null) {
      return Text.strip(s, chars, start, end);
    }
    var stripped = start ? Text.stripStart(s) : s;
    return end ? Text.stripEnd(stripped) : stripped;
  }

  private static Object split(Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bind("split", 0, "sep", "maxsplit");
    long limit = a.integer(1, -1);
    rendering.spendText(s.length());
    if (!a.has(0)) {
      return charged(rendering, Text.words(s, limit));
    }
    var separator = separator(rendering, s, a);
    var parts = new ArrayList<Object>();
    int start = 0;
    for (int i = s.indexOf(separator);
        i >= 0 && (limit < 0 || parts.size() < limit);
        i = s.indexOf(separator, start)) {
      parts.add(s.substring(start, i));
      start = i + separator.length();
    }
    parts.add(s.substring(start));
    return charged(rendering, parts);
  }

  private static Object splitFromEnd(Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bind("rsplit", 0, "sep", "maxsplit");
    long limit = a.integer(1, -1);
    rendering.spendText(s.length());
    if (!a.has(0)) {
      return charged(rendering, wordsFromEnd(s, limit));
    }
    var separator = separator(rendering, s, a);
    var parts = new ArrayList<Object>();
    int end = s.length();
    while (limit < 0 || parts.size() < limit) {
      int i = s.lastIndexOf(separator, end - separator.length());
      if (i < 0 || end < separator.length()) {
        break;
      }
      parts.add(s.substring(i + separator.length(), end));
      end = i;
    }
    parts.add(s.substring(0, end));
    return charged(rendering, Operators.reversed(parts));
  }

  private static List<Object> wordsFromEnd(String s, long limit) {
    var words = new ArrayList<Object>();
    var rest = Text.stripEnd(s);
    while (!rest.isEmpty() && (limit < 0 || words.size() < limit)) {
      int start = rest.length();
      while (start > 0 && !Text.isSpace(rest.charAt(start - 1))) {
        start--;
      }
      words.add(rest.substring(start));
      rest = Text.stripEnd(rest.substring(0, start));
    }
    if (!rest.isEmpty()) {
      words.add(rest);
    }
    return Operators.reversed(words);
  }

  private static Object charged(Rendering rendering, List<Object> parts) {
    rendering.spend(parts.size());
    return parts;
  }

  private static String separator(Rendering rendering, String s, Bound a) {
    var separator = a.string(0);
    if (separator.isEmpty()) {
      throw new Fault("the separator is empty");
    }
    rendering.spendSearch(s, separator);
    return separator;
  }

  private static Object splitLines(Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bind("splitlines", 0, "keepends");
    return charged(rendering, Text.lines(rendering.text(s), a.flag(0)));
  }

  private static Object partition(
      Rendering rendering, String s, Arguments arguments, boolean last) {
    var a = arguments.bindPositional(last ? "rpartition" : "partition", 1, "sep");
    var separator = separator(rendering, s, a);
    int i = last ? s.lastIndexOf(separator) : s.indexOf(separator);
    if (i < 0) {
      return new Tuple(last ? List.of("", "", s) : List.of(s, "", ""));
    }
    return new Tuple(List.of(s.substring(0, i), separator, s.substring(i + separator.length())));
  }

  private interface Affix {
    boolean test(String s, String affix);
  }

  private static Object affix(String name, String s, Arguments arguments, Affix test) {
    var a = arguments.bindPositional(name, 1, "prefix", "start", "end");
    var part = a.has(1) || a.has(2) ? window(s, a) : s;
    if (part == null) {
      return false;
    }
    if (a.get(0) instanceof Tuple tuple) {
      for (var item : tuple.items()) {
        if (!(item instanceof String)) {
          throw new Fault(name + " expects strings, found " + Operators.typeName(item));
        }
      }
      return tuple.items().stream().anyMatch(item -> test.test(part, (String) item));
    }
    return test.test(part, a.string(0));
  }

  /** {@code s[start:end]} by arguments 1 and 2; null if it begins behind the end. */
  private static @Nullable String window(String s, Bound a) {
    long length = Text.length(s);
    long start = a.has(1) ? a.integer(1, 0) : 0;
    long end = a.has(2) ? a.integer(2, 0) : length;
    start = start < 0 ? Math.max(0, start + length) : start;
    end = Math.min(length, end < 0 ? Math.max(0, end + length) : end);
    return start > end ? null : Text.slice(s, (int) start, (int) end);
  }

  private static Object removePrefix(String s, Arguments arguments) {
    var prefix = arguments.bindPositional("removeprefix", 1, "prefix").string(0);
    return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
  }

  private static Object removeSuffix(String s, Arguments arguments) {
    var suffix = arguments.bindPositional("removesuffix", 1, "suffix").string(0);
    return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
  }

  private static Object replace(Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bind("replace", 2, "old", "new", "count");
    if (arguments.named().containsKey("old") || arguments.named().containsKey("new")) {
      throw new Fault("replace takes 'old' and 'new' as positional arguments");
    }
    return replace(rendering, s, a.string(0), a.string(1), a.integer(2, -1));
  }

  /** {@code s.replace(old, new, count)}; an empty {@code old} is before every character. */
  static String replace(Rendering rendering, String s, String old, String by, long count) {
    rendering.spendSearch(s, old);
    rendering.spendText(s.length());
    var out = new StringBuilder();
    int start = 0;
    for (long n = 0; count < 0 || n < count; n++) {
      int i = s.indexOf(old, old.isEmpty() && n > 0 ? start + 1 : start);
      if (i < 0 || (old.isEmpty() && n > 0 && start >= s.length())) {
        break;
      }
      if (old.isEmpty() && n > 0 && Character.isLowSurrogate(charAt(s, i))) {
        i++;
      }
      out.append(s, start, i).append(by);
      start = i + old.length();
      rendering.spendText(by.length());
      rendering.limit(out);
    }
    return out.append(s, start, s.length()).toString();
  }

  private static char charAt(String s, int i) {
    return i < s.length() ? s.charAt(i) : ' ';
  }

  private static Object join(Rendering rendering, String s, Arguments arguments) {
    var items = rendering.list(arguments.bindPositional("join", 1, "iterable").get(0));
    for (var item : items) {
      if (!(Operators.plain(item) instanceof String)) {
        throw new Fault("join expects strings, found " + Operators.typeName(item));
      }
    }
    return join(rendering, s, items);
  }

  /** The items as strings with {@code separator} between them. */
  static String join(Rendering rendering, String separator, List<Object> items) {
    var out = new StringBuilder();
    for (int i = 0; i < items.size(); i++) {
      var item = rendering.str(items.get(i));
      out.append(i == 0 ? "" : separator).append(item);
      rendering.spendText(item.length() + separator.length());
      rendering.limit(out);
    }
    return out.toString();
  }

  private static Object find(String name, Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bindPositional(name, 1, "sub", "start", "end");
    var part = a.string(0);
    var within = a.has(1) || a.has(2) ? window(s, a) : s;
    rendering.spendSearch(s, part);
    if (name.equals("count")) {
      return within == null ? 0L : count(within, part);
    }
    int i =
        within == null
            ? -1
            : name.startsWith("r") ? within.lastIndexOf(part) : within.indexOf(part);
    if (i < 0 || within == null) {
      if (name.endsWith("index")) {
        throw new Fault("the string does not contain '" + part + "'");
      }
      return -1L;
    }
    long start = a.has(1) ? a.integer(1, 0) : 0;
    long before = start < 0 ? Math.max(0, start + Text.length(s)) : start;
    return before + within.codePointCount(0, i);
  }

  private static long count(String s, String part) {
    if (part.isEmpty()) {
      return Text.length(s) + 1L;
    }
    long count = 0;
    for (int i = s.indexOf(part); i >= 0; i = s.indexOf(part, i + part.length())) {
      count++;
    }
    return count;
  }

  private static Object justify(String name, Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bindPositional(name, 1, "width", "fillchar");
    var fill = a.string(1, " ");
    if (Text.length(fill) != 1) {
      throw new Fault(name + " expects one character to fill with");
    }
    var pad = pad(rendering, fill, a.integer(0, 0) - Text.length(s));
    return name.equals("ljust") ? s + pad : pad + s;
  }

  /** {@code fill} {@code count} times, or nothing. */
  static String pad(Rendering rendering, String fill, long count) {
    long n = Math.clamp(count, 0, Integer.MAX_VALUE);
    rendering.spendText(n);
    return fill.repeat((int) n);
  }

  private static Object zeroFill(Rendering rendering, String s, Arguments arguments) {
    var a = arguments.bindPositional("zfill", 1, "width");
    int sign = !s.isEmpty() && "+-".indexOf(s.charAt(0)) >= 0 ? 1 : 0;
    return s.substring(0, sign)
        + pad(rendering, "0", a.integer(0, 0) - Text.length(s))
        + s.substring(sign);
  }
}
