package io.lrt4j.text.grammar;

import static io.lrt4j.text.grammar.Grammar.bytes;
import static io.lrt4j.text.grammar.Grammar.choice;
import static io.lrt4j.text.grammar.Grammar.optional;
import static io.lrt4j.text.grammar.Grammar.repeat;
import static io.lrt4j.text.grammar.Grammar.sequence;
import static io.lrt4j.text.grammar.Grammar.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.text.grammar.Grammar.Node;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The numbers that a {@link JsonSchema} allows. */
final class JsonNumbers {
  static final Set<String> KEYWORDS =
      Set.of("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum");

  private static final long MAX_NUMBER = 999_999_999_999_999L; // 15 digits
  private static final int MAX_DECIMALS = 30; // of a bound, behind its point

  private static final Node DIGIT = bytes('0', '9');
  private static final Node DIGITS = repeat(DIGIT, 1, 15);

  private static final Node INTEGER =
      sequence(
          optional(text("-")), choice(text("0"), sequence(bytes('1', '9'), repeat(DIGIT, 0, 14))));

  private static final Node FRACTION = optional(sequence(text("."), DIGITS));

  static final Node NUMBER =
      sequence(
          INTEGER,
          FRACTION,
          optional(
              sequence(
                  bytes('e', 'e', 'E', 'E'),
                  optional(bytes('+', '+', '-', '-')),
                  repeat(DIGIT, 1, 2))));

  private JsonNumbers() {}

  /** Numbers between their bounds, if there are any. */
  static Node of(String type, JsonNode schema, String path) {
    boolean whole = type.equals("integer");
    if (KEYWORDS.stream().noneMatch(schema::has)) {
      return whole ? INTEGER : NUMBER;
    }
    long least = bound(schema, "minimum", RoundingMode.CEILING, whole, -MAX_NUMBER, path);
    long most = bound(schema, "maximum", RoundingMode.FLOOR, whole, MAX_NUMBER, path);
    long above =
        bound(schema, "exclusiveMinimum", RoundingMode.FLOOR, whole, -MAX_NUMBER - 1, path);
    long below =
        bound(schema, "exclusiveMaximum", RoundingMode.CEILING, whole, MAX_NUMBER + 1, path);
    List<Node> ways = new ArrayList<>();
    if (whole) {
      least = Math.max(least, above + 1);
      most = Math.min(most, below - 1);
      if (least < 0) {
        ways.addAll(negative(integers(Math.max(1, -most), Math.min(-least, MAX_NUMBER))));
      }
      ways.addAll(integers(Math.max(0, least), Math.min(most, MAX_NUMBER)));
    } else {
      boolean open = above >= least; // the least is none of them
      boolean openEnd = below <= most;
      least = Math.max(least, above);
      most = Math.min(most, below);
      if (least < 0) {
        ways.addAll(negative(numbers(Math.max(0, -most), openEnd && most <= 0, -least, open)));
      }
      if (most >= 0) {
        ways.addAll(numbers(Math.max(0, least), open && least >= 0, most, openEnd));
      }
    }
    if (ways.isEmpty()) {
      throw JsonSchema.wrong(path, "allows no number of at most 15 digits");
    }
    return choice(ways);
  }

  private static List<Node> negative(List<Node> ways) {
    return ways.isEmpty() ? ways : List.of(sequence(text("-"), choice(ways)));
  }

  /** A bound, rounded into what is allowed and cut to one more than what is written. */
  private static long bound(
      JsonNode schema, String keyword, RoundingMode into, boolean round, long absent, String path) {
    JsonNode bound = schema.path(keyword);
    if (bound.isMissingNode()) {
      return absent;
    }
    BigDecimal number = bound.decimalValue();
    if (!bound.isNumber() || number.scale() > MAX_DECIMALS) {
      throw JsonSchema.wrong(
          path, "must have a number as " + keyword + ", of at most " + MAX_DECIMALS + " decimals");
    }
    BigDecimal end = BigDecimal.valueOf(MAX_NUMBER + 1);
    BigDecimal near = number.min(end).max(end.negate()); // before 1e999999999 is written out
    BigDecimal whole = near.setScale(0, into);
    if (!round && whole.compareTo(near) != 0) {
      throw JsonSchema.wrong(path, "must have a whole number as " + keyword + " with type number");
    }
    return whole.longValueExact();
  }

  /**
   * Numbers without a sign.
   *
   * @param open whether {@code least} is none of them
   * @param openEnd whether {@code most} is none of them
   */
  private static List<Node> numbers(long least, boolean open, long most, boolean openEnd) {
    long end = Math.min(most, MAX_NUMBER);
    boolean withoutEnd = openEnd && most == end;
    List<Node> ways = new ArrayList<>();
    long from = least; // to end - 1, that may have any fraction behind them
    long to = end - 1;
    if (open && least < end) {
      ways.addAll(near(least, true));
      from++;
    }
    if (withoutEnd && from <= to) {
      ways.addAll(near(to, false));
      to--;
    }
    List<Node> inner = integers(from, to);
    if (!inner.isEmpty()) {
      ways.add(sequence(choice(inner), FRACTION));
    }
    if (!withoutEnd && (open ? least < end : least <= end)) {
      ways.add(text(Long.toString(end)));
    }
    return ways;
  }

  /**
   * A whole number with a fraction that doubles tell from any other: of 15 digits in all.
   *
   * @param more whether the fraction must be there, and not be 0
   */
  private static List<Node> near(long whole, boolean more) {
    Node number = text(Long.toString(whole));
    int places = 15 - (whole == 0 ? 0 : Long.toString(whole).length());
    if (places == 0) {
      return more ? List.of() : List.of(number);
    }
    if (!more) {
      return List.of(sequence(number, optional(sequence(text("."), repeat(DIGIT, 1, places)))));
    }
    Node fraction = bytes('1', '9');
    for (int i = 1; i < places; i++) {
      fraction =
          choice(sequence(bytes('1', '9'), repeat(DIGIT, 0, i)), sequence(text("0"), fraction));
    }
    return List.of(sequence(number, text("."), fraction));
  }

  /** Whole numbers without a sign; none if there are none. */
  private static List<Node> integers(long least, long most) {
    List<Node> ways = new ArrayList<>();
    long from = least;
    while (from <= most) { // those of each length
      String first = Long.toString(from);
      long to = Math.min(most, Long.parseLong("9".repeat(first.length())));
      ways.add(digits(first, Long.toString(to)));
      from = to + 1;
    }
    return ways;
  }

  /** Digits of numbers of one length. */
  private static Node digits(String least, String most) {
    int rest = least.length() - 1;
    char low = least.charAt(0);
    char high = most.charAt(0);
    if (rest == 0) {
      return bytes(low, high);
    }
    String after = least.substring(1);
    String until = most.substring(1);
    if (low == high) {
      return sequence(bytes(low, low), digits(after, until));
    }
    List<Node> ways = new ArrayList<>();
    if (!after.equals("0".repeat(rest))) {
      ways.add(sequence(bytes(low, low), digits(after, "9".repeat(rest))));
      low++;
    }
    if (!until.equals("9".repeat(rest))) {
      ways.add(sequence(bytes(high, high), digits("0".repeat(rest), until)));
      high--;
    }
    if (low <= high) {
      ways.add(sequence(bytes(low, high), repeat(DIGIT, rest, rest)));
    }
    return choice(ways);
  }
}
