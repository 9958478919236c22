package io.lrt4j.text;

import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * Tells whether a regular expression of a tokenizer file can be run without danger.
 *
 * <p>The native library matches by backtracking, and once an attempt has gone back ten million
 * times it ends the whole process. A pattern is accepted if one attempt goes back at most {@link
 * #MAX_COST} times the length of the text, which all released splitting patterns do: an alternative
 * may repeat one item without bound before something that can fail, and groups repeat nothing.
 * Everything that this small grammar does not know is refused.
 */
final class SplitPattern {
  /** Times the longest text that {@link Tokenizer} encodes, well below the ten million. */
  static final int MAX_COST = 4;

  private static final String QUANTIFIERS = "?*+{";
  private static final int MAX_LENGTH = 4000;
  private static final int MAX_CHOICES = 1000;

  private final String pattern;
  private int at;

  private SplitPattern(String pattern) {
    this.pattern = pattern;
  }

  /** Null if the pattern is harmless, otherwise what speaks against it. */
  static @Nullable String objection(String pattern) {
    if (pattern.length() > MAX_LENGTH) {
      return "it is longer than " + MAX_LENGTH + " characters";
    }
    try {
      var parser = new SplitPattern(pattern);
      Cost cost = parser.alternatives(false);
      if (parser.at < pattern.length()) {
        throw parser.refused("an unopened ')'");
      }
      if (cost.nullable) {
        return "it matches the empty text";
      }
      return cost.linear > MAX_COST ? "it backtracks too much" : null;
    } catch (Refused refused) {
      return refused.what;
    }
  }

  /**
   * What one attempt may cost.
   *
   * @param linear how often the length of the text, in steps back
   * @param choices how many ways to match, other than by unbounded repetition
   * @param nullable whether the empty text matches, so that it never fails
   */
  private record Cost(int linear, int choices, boolean nullable) {}

  private Cost alternatives(boolean inGroup) {
    int linear = 0;
    int choices = 0;
    boolean nullable = false;
    do {
      Cost one = alternative(inGroup);
      linear += one.linear;
      choices += one.choices;
      nullable |= one.nullable;
    } while (skip('|'));
    return new Cost(linear, bounded(choices), nullable);
  }

  /** A sequence of items. An item is tried again only if a later one can fail. */
  private Cost alternative(boolean inGroup) {
    var atoms = new ArrayList<Cost>();
    var repeats = new ArrayList<Repeat>();
    while (at < pattern.length() && peek() != '|' && peek() != ')') {
      Cost atom = atom();
      Repeat repeat = repeat();
      if (repeat.most == Repeat.UNBOUNDED && inGroup) {
        throw refused("unbounded repetition inside a group");
      }
      if (repeat.most > 1 && atom.choices > 1) {
        throw refused("a repeated group");
      }
      atoms.add(atom);
      repeats.add(repeat);
    }
    boolean fails = inGroup; // something may follow the group
    boolean nullable = true;
    boolean linear = false;
    int choices = 1; // they multiply: each is tried with each
    int last = 0; // those that nothing makes be tried again
    for (int i = atoms.size() - 1; i >= 0; i--) {
      Cost atom = atoms.get(i);
      Repeat repeat = repeats.get(i);
      if (fails && !repeat.possessive) {
        if (repeat.most < Repeat.UNBOUNDED) {
          choices = bounded(choices * (repeat.most - repeat.least + 1));
        } else if (linear) {
          throw refused("two unbounded repetitions before something that can fail");
        } else {
          linear = true;
        }
      }
      nullable &= repeat.least == 0 || atom.nullable;
      fails |= !nullable;
      if (fails) {
        choices = bounded(choices * atom.choices);
      } else {
        last += atom.choices;
      }
    }
    return new Cost(linear ? choices : 0, bounded(choices + last), nullable);
  }

  private Cost atom() {
    char c = next();
    return switch (c) {
      case '(' -> group();
      case '[' -> {
        characterClass();
        yield new Cost(0, 1, false);
      }
      case '\\' -> {
        escape();
        yield new Cost(0, 1, false);
      }
      case '*', '+', '?', '{', '}', ']', '^', '$' -> throw refused("a bare '" + c + "'");
      default -> new Cost(0, 1, false);
    };
  }

  /** A lookaround can fail without consuming, so it counts as an item that does not match empty. */
  private Cost group() {
    boolean look = false;
    if (skip('?')) {
      if (pattern.startsWith("i:", at)) {
        at += 2;
      } else if (!skip(':')) {
        look = true;
        skip('<');
        if (!skip('=') && !skip('!')) {
          throw refused("an unknown kind of group");
        }
      }
    }
    Cost inner = alternatives(true);
    if (!skip(')')) {
      throw refused("an unclosed '('");
    }
    if (look && at < pattern.length() && QUANTIFIERS.indexOf(peek()) >= 0) {
      throw refused("a repeated lookaround");
    }
    return look ? new Cost(0, inner.choices, false) : inner;
  }

  private void characterClass() {
    skip('^');
    boolean first = true;
    while (first || peek() != ']') {
      first = false;
      switch (next()) {
        case '\\' -> escape();
        case '[' -> characterClass();
        default -> {}
      }
    }
    at++;
  }

  private void escape() {
    char c = next();
    switch (c) {
      case 'p', 'P', 'x' -> {
        if (skip('{')) {
          int end = pattern.indexOf('}', at);
          if (end < 0) {
            throw refused("an unclosed '{'");
          }
          at = end + 1;
        } else if (c != 'x') {
          throw refused("a property without braces");
        }
      }
      case 's', 'S', 'd', 'D', 'w', 'W', 'r', 'n', 't', 'f', 'v', 'u' -> {}
      default -> {
        if (c >= 0x80 || Character.isLetterOrDigit(c)) {
          throw refused("\\" + c);
        }
      }
    }
  }

  /** How often an item occurs. */
  private record Repeat(int least, int most, boolean possessive) {
    static final int UNBOUNDED = Integer.MAX_VALUE;
  }

  private Repeat repeat() {
    if (at == pattern.length()) {
      return new Repeat(1, 1, false);
    }
    Repeat repeat;
    boolean braces = false;
    switch (peek()) {
      case '?' -> repeat = new Repeat(0, 1, false);
      case '*' -> repeat = new Repeat(0, Repeat.UNBOUNDED, false);
      case '+' -> repeat = new Repeat(1, Repeat.UNBOUNDED, false);
      case '{' -> {
        repeat = braces();
        braces = true;
      }
      default -> {
        return new Repeat(1, 1, false);
      }
    }
    at++;
    if (!braces && skip('+')) {
      repeat = new Repeat(repeat.least, repeat.most, true);
    } else if (!braces) {
      skip('?');
    }
    if (at < pattern.length() && QUANTIFIERS.indexOf(peek()) >= 0) {
      throw refused("a repetition of a repetition");
    }
    return repeat;
  }

  /** {n}, {n,} or {n,m}; stops before the closing brace. */
  private Repeat braces() {
    int end = pattern.indexOf('}', at);
    String[] bounds = end < 0 ? new String[0] : pattern.substring(at + 1, end).split(",", -1);
    boolean numbers = bounds.length == 1 || bounds.length == 2;
    for (int i = 0; numbers && i < bounds.length; i++) {
      numbers = bounds[i].matches("[0-9]{1,3}") || (i == 1 && bounds[i].isEmpty());
    }
    if (!numbers) {
      throw refused("a bare '{'");
    }
    at = end;
    int least = Integer.parseInt(bounds[0]);
    if (bounds.length == 1) {
      return new Repeat(least, least, false);
    }
    int most = bounds[1].isEmpty() ? Repeat.UNBOUNDED : Integer.parseInt(bounds[1]);
    if (most < least) {
      throw refused("a range that ends before it begins");
    }
    return new Repeat(least, most, false);
  }

  private int bounded(int choices) {
    if (choices > MAX_CHOICES) {
      throw refused("more than " + MAX_CHOICES + " ways to match");
    }
    return choices;
  }

  private char peek() {
    if (at == pattern.length()) {
      throw refused("an unexpected end");
    }
    return pattern.charAt(at);
  }

  private char next() {
    char c = peek();
    at++;
    return c;
  }

  private boolean skip(char c) {
    boolean there = at < pattern.length() && pattern.charAt(at) == c;
    if (there) {
      at++;
    }
    return there;
  }

  private Refused refused(String what) {
    return new Refused("it has " + what + " before character " + at);
  }

  private static final class Refused extends RuntimeException {
    private static final long serialVersionUID = 1L;
    final String what;

    Refused(String what) {
      super(what, null, false, false);
      this.what = what;
    }
  }
}
