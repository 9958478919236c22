package io.lrt4j.text.grammar;

import static io.lrt4j.text.grammar.Grammar.bytes;
import static io.lrt4j.text.grammar.Grammar.choice;
import static io.lrt4j.text.grammar.Grammar.repeat;
import static io.lrt4j.text.grammar.Grammar.sequence;
import static io.lrt4j.text.grammar.Grammar.text;

import io.lrt4j.QuestionException;
import io.lrt4j.text.grammar.Grammar.Node;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Strings that a regular expression matches, within their quotes. Understood of ECMAScript's:
 * characters and their escapes, {@code .}, classes, groups, alternatives, quantifiers, and anchors
 * at the ends of the whole or of one of its alternatives. All else is refused, as is what repeats
 * what may be empty a number of times.
 *
 * <p>What is written matches, whatever the engine takes {@code \s}, {@code \w} and {@code \d} to be
 * outside of ASCII, where not all that matches can be written.
 */
final class JsonPattern {
  private static final int MAX_LENGTH = 1000; // of a pattern, characters
  private static final int MAX_GROUPS = 32; // within each other
  private static final int MAX_COUNT = 1024; // of a quantifier
  private static final int MAX_RANGE = 512; // characters that are not ASCII, in a class
  private static final int MAX_CHARACTERS = 1 << 20; // of a string whose length is told

  private static final int ASCII = 128;
  private static final String SHORT = "\"\\\b\f\n\r\t"; // characters that are written with a
  private static final String ESCAPES = "\"\\bfnrt"; // backslash and one of these

  private static final Node TAIL = bytes(0x80, 0xbf);

  /** Characters that are no space and end no line, to any engine. */
  private static final List<Node> OTHERS =
      List.of(
          sequence(bytes(0xc3, 0xdf), TAIL),
          sequence(bytes(0xe0, 0xe0), bytes(0xa0, 0xbf), TAIL),
          sequence(bytes(0xe1, 0xe1), bytes(0xb0, 0xbf), TAIL),
          sequence(bytes(0xe2, 0xe2), bytes(0x82, 0xbf), TAIL),
          sequence(bytes(0xe3, 0xe3), bytes(0x81, 0xbf), TAIL),
          sequence(bytes(0xe4, 0xec, 0xee, 0xee), TAIL, TAIL),
          sequence(bytes(0xed, 0xed), bytes(0x80, 0x9f), TAIL),
          sequence(bytes(0xef, 0xef), bytes(0x80, 0xba, 0xbc, 0xbf), TAIL),
          sequence(bytes(0xf0, 0xf0), bytes(0x90, 0xbf), TAIL, TAIL),
          sequence(bytes(0xf1, 0xf3), TAIL, TAIL, TAIL),
          sequence(bytes(0xf4, 0xf4), bytes(0x80, 0x8f), TAIL, TAIL));

  /**
   * Strings and how many characters they have.
   *
   * @param most {@value #MAX_CHARACTERS} stands for any more
   */
  record Part(Node node, int least, int most) {}

  private static final Part NOTHING = new Part(Grammar.EMPTY, 0, 0);

  private final String pattern;
  private final String path; // of the schema
  private int at;
  private int groups; // that are open

  private JsonPattern(String pattern, String path) {
    this.pattern = pattern;
    this.path = path;
  }

  static Part of(String pattern, String path) {
    if (pattern.length() > MAX_LENGTH) {
      throw JsonSchema.wrong(
          path,
          "has a pattern of " + pattern.length() + " characters, more than the " + MAX_LENGTH);
    }
    var reader = new JsonPattern(pattern, path);
    Part all = reader.alternatives();
    if (reader.at < pattern.length()) {
      throw reader.unknown(reader.at);
    }
    return all;
  }

  private QuestionException unknown(int from) {
    String rest = pattern.substring(from, Math.min(pattern.length(), from + 12));
    return JsonSchema.wrong(
        path, "has a pattern with what is not supported at character " + (from + 1) + ": " + rest);
  }

  private boolean has(char c) {
    return at < pattern.length() && pattern.charAt(at) == c;
  }

  private boolean take(String text) {
    boolean there = pattern.startsWith(text, at);
    at += there ? text.length() : 0;
    return there;
  }

  private Part alternatives() {
    List<Part> all = new ArrayList<>();
    do {
      all.add(alternative());
    } while (take("|"));
    return new Part(
        choice(all.stream().map(Part::node).toList()),
        all.stream().mapToInt(Part::least).min().orElseThrow(),
        all.stream().mapToInt(Part::most).max().orElseThrow());
  }

  private Part alternative() {
    boolean outer = groups == 0;
    Part all = !outer || take("^") ? NOTHING : anything();
    while (at < pattern.length() && !has('|') && !has(')') && !has('$')) {
      all = both(all, quantified());
    }
    if (!outer) {
      return all;
    }
    return take("$") ? all : both(all, anything());
  }

  private static Part anything() {
    BitSet ascii = new BitSet();
    ascii.set(0, ASCII);
    return new Part(repeat(oneOf(ascii, true, List.of()), 0, -1), 0, MAX_CHARACTERS);
  }

  private static Part both(Part first, Part second) {
    Node node =
        first.node == Grammar.EMPTY
            ? second.node
            : second.node == Grammar.EMPTY ? first.node : sequence(first.node, second.node);
    return new Part(
        node,
        Math.min(MAX_CHARACTERS, first.least + second.least),
        Math.min(MAX_CHARACTERS, first.most + second.most));
  }

  private Part quantified() {
    int begin = at;
    Part of = atom();
    int least = 1;
    int most = 1;
    if (take("*")) {
      least = 0;
      most = -1;
    } else if (take("+")) {
      most = -1;
    } else if (take("?")) {
      least = 0;
    } else if (take("{")) {
      least = number(begin);
      most = least;
      if (take(",")) {
        most = has('}') ? -1 : number(begin);
      }
      if (!take("}") || (most >= 0 && most < least)) {
        throw unknown(begin);
      }
    } else {
      return of;
    }
    if (has('+')) { // possessive, elsewhere
      throw unknown(at);
    }
    boolean _ = take("?"); // the language is the same
    if (of.least == 0 && most > 1) { // would be looked through as often
      throw unknown(begin);
    }
    boolean endless = most < 0 && of.most > 0;
    long longest = endless ? MAX_CHARACTERS : (long) of.most * Math.max(0, most);
    return new Part(
        repeat(of.node, of.least == 0 ? 0 : least, most),
        (int) Math.min(MAX_CHARACTERS, (long) of.least * least),
        (int) Math.min(MAX_CHARACTERS, longest));
  }

  private int number(int begin) {
    int number = 0;
    int from = at;
    while (at < pattern.length() && pattern.charAt(at) >= '0' && pattern.charAt(at) <= '9') {
      number = Math.min(MAX_COUNT + 1, number * 10 + pattern.charAt(at) - '0');
      at++;
    }
    if (at == from || number > MAX_COUNT) {
      throw unknown(begin);
    }
    return number;
  }

  private Part atom() {
    int begin = at;
    if (take("(")) {
      boolean plain = take("?:") || named() || !has('?');
      if (!plain || ++groups > MAX_GROUPS) {
        throw unknown(begin);
      }
      Part inner = alternatives();
      groups--;
      if (!take(")")) {
        throw unknown(begin);
      }
      return inner;
    }
    if (take("[")) {
      return character(set(begin));
    }
    if ("*+?{}]^".indexOf(pattern.charAt(at)) >= 0) {
      throw unknown(begin);
    }
    var one = new Characters();
    if (take(".")) {
      one.ascii.set(0, ASCII);
      one.ascii.clear('\n');
      one.ascii.clear('\r');
      one.others = true;
      return character(one);
    }
    int c = oneInto(one);
    if (c >= 0) {
      one.add(c, c);
    }
    return character(one);
  }

  /** Whether a group has a name, which is then read. */
  private boolean named() {
    int end = pattern.indexOf('>', at);
    if (end < 0 || !pattern.substring(at, end + 1).matches("\\?P?<[A-Za-z_]\\w*>")) {
      return false;
    }
    at = end + 1;
    return true;
  }

  /** Characters of a class. */
  private static final class Characters {
    final BitSet ascii = new BitSet();
    final List<String> listed = new ArrayList<>(); // that are not ASCII
    boolean others; // those that are neither, as far as they are written
    boolean unknown; // whether it may have others of which engines think differently

    void add(int from, int to) {
      if (from < ASCII) {
        ascii.set(from, Math.min(to + 1, ASCII));
      }
      for (int c = Math.max(from, ASCII); c <= to; c++) {
        listed.add(Character.toString(c));
      }
    }

    /** Those of a backslash and {@code kind}, or those that are none of them. */
    void addKind(char kind, boolean not) {
      BitSet some = new BitSet();
      switch (kind) {
        case 's' -> "\t\n\u000b\f\r ".chars().forEach(some::set);
        case 'd' -> some.set('0', '9' + 1);
        default -> {
          some.set('0', '9' + 1);
          some.set('A', 'Z' + 1);
          some.set('a', 'z' + 1);
          some.set('_');
        }
      }
      if (not) {
        some.flip(0, ASCII);
      }
      ascii.or(some);
      others |= not && kind == 's';
      unknown |= kind != 's';
    }
  }

  private Characters set(int begin) {
    var set = new Characters();
    boolean not = take("^");
    if (has(']')) {
      throw unknown(begin);
    }
    while (!take("]")) {
      if (at == pattern.length()) {
        throw unknown(begin);
      }
      int from = at;
      int first = oneInto(set);
      int last = first;
      if (first >= 0 && has('-') && !pattern.startsWith("-]", at)) {
        at++;
        last = at == pattern.length() ? -1 : oneInto(set);
        if (last < first) {
          throw unknown(from);
        }
      }
      if (last - Math.max(ASCII, first) >= MAX_RANGE - set.listed.size()) {
        throw unknown(from);
      }
      if (first >= 0) {
        set.add(first, last);
      }
    }
    if (not) {
      set.ascii.flip(0, ASCII);
      set.others = !set.others && !set.unknown && set.listed.isEmpty();
      set.listed.clear();
    }
    return set;
  }

  /**
   * Reads a character, or an escape for one or several.
   *
   * @return the character, or -1 of several, which are in {@code set} then
   */
  private int oneInto(Characters set) {
    int begin = at;
    int c = pattern.codePointAt(at);
    at += Character.charCount(c);
    if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
      throw unknown(begin);
    }
    if (c != '\\') {
      return c;
    }
    if (at == pattern.length()) {
      throw unknown(begin);
    }
    char escaped = pattern.charAt(at++);
    return switch (escaped) {
      case 'd', 'D', 'w', 'W', 's', 'S' -> {
        set.addKind(Character.toLowerCase(escaped), Character.isUpperCase(escaped));
        yield -1;
      }
      case 't' -> '\t';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 'f' -> '\f';
      case 'x' -> hex(2, begin);
      case 'u' -> hex(4, begin);
      default -> {
        if (escaped >= ASCII || Character.isLetterOrDigit(escaped)) {
          throw unknown(begin);
        }
        yield escaped;
      }
    };
  }

  private char hex(int digits, int begin) {
    String hex = pattern.substring(at, Math.min(pattern.length(), at + digits));
    at += digits;
    if (!hex.matches("[0-9a-fA-F]{" + digits + "}")
        || Character.isSurrogate((char) Integer.parseInt(hex, 16))) {
      throw unknown(begin);
    }
    return (char) Integer.parseInt(hex, 16);
  }

  private static Part character(Characters of) {
    return new Part(oneOf(of.ascii, of.others, of.listed), 1, 1);
  }

  /** One character, as it is written between quotes. Control characters without a name are not. */
  private static Node oneOf(BitSet ascii, boolean others, List<String> listed) {
    List<Node> ways = new ArrayList<>();
    List<Integer> plain = new ArrayList<>();
    List<Integer> escapes = new ArrayList<>();
    for (int c = ascii.nextSetBit(0); c >= 0; c = ascii.nextSetBit(c + 1)) {
      int escape = SHORT.indexOf(c);
      if (escape >= 0) {
        escapes.addAll(List.of((int) ESCAPES.charAt(escape), (int) ESCAPES.charAt(escape)));
      } else if (c >= ' ') {
        plain.addAll(List.of(c, c));
      }
    }
    if (!plain.isEmpty()) {
      ways.add(bytes(plain.stream().mapToInt(Integer::intValue).toArray()));
    }
    if (!escapes.isEmpty()) {
      ways.add(sequence(text("\\"), bytes(escapes.stream().mapToInt(Integer::intValue).toArray())));
    }
    if (others) {
      ways.addAll(OTHERS);
    }
    if (!listed.isEmpty()) {
      ways.add(Grammar.oneOf(listed));
    }
    return choice(ways);
  }
}
