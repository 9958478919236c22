package io.lrt4j.cli;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.DoublePredicate;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.MissingArgumentException;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.ParseException;
import org.apache.commons.cli.UnrecognizedOptionException;
import org.jspecify.annotations.Nullable;

/**
 * The parsed command line of one command. Every getter refuses a wrong value with one sentence
 * ({@link UsageException}) that names option, expected and found.
 */
final class Arguments {
  private static final int MOST_SHOWN = 60;
  private static final DefaultParser PARSER =
      DefaultParser.builder()
          .setAllowPartialMatching(false)
          .setStripLeadingAndTrailingQuotes(false)
          .get();

  private final CommandLine line;

  private Arguments(CommandLine line) {
    this.line = line;
  }

  /** Parses what follows the command's name. */
  static Arguments parse(Command command, String... args) {
    CommandLine line;
    try {
      line = PARSER.parse(command.options(), args);
    } catch (UnrecognizedOptionException e) {
      boolean text = command.operands() > 0 && !e.getOption().matches("--?[A-Za-z][\\w-]*(=.*)?");
      String hint = text ? "; a text that begins with - goes after --" : "";
      throw usage(command, "unknown option " + e.getOption() + meant(command, e) + hint);
    } catch (MissingArgumentException e) {
      throw usage(command, dashes(e.getOption()) + " needs a value");
    } catch (ParseException e) {
      throw usage(command, String.valueOf(e.getMessage()));
    }
    Set<String> seen = new HashSet<>();
    for (Option option : line.getOptions()) {
      if (!seen.add(option.getLongOpt()) && !command.repeatable().contains(option.getLongOpt())) {
        throw usage(command, dashes(option) + " is given twice");
      }
    }
    List<String> operands = line.getArgList();
    if (operands.size() > command.operands()) {
      String first = operands.get(command.operands());
      throw usage(
          command,
          "unexpected argument \""
              + first
              + "\""
              + (command.operands() > 0 ? " (is a quotation mark missing?)" : ""));
    }
    return new Arguments(line);
  }

  private static String meant(Command command, UnrecognizedOptionException e) {
    String typed = e.getOption().replaceFirst("=.*", "");
    return Nearest.hint(typed, command.options().getOptions().stream().map(Arguments::dashes));
  }

  private static UsageException usage(Command command, String problem) {
    return new UsageException(problem + "; see lrt " + command.name() + " --help");
  }

  private static String dashes(Option option) {
    return "--" + option.getLongOpt();
  }

  /** All of {@code groups} in one. */
  static Options together(Options... groups) {
    Options all = new Options();
    Arrays.stream(groups).forEach(all::addOptions);
    return all;
  }

  /** An option without a value. */
  static Option flag(String name, String description) {
    return Option.builder().longOpt(name).desc(description).get();
  }

  /** An option with a value. */
  static Option valued(String name, String value, String description) {
    return Option.builder().longOpt(name).hasArg().argName(value).desc(description).get();
  }

  /** The command line again, as it could be typed. */
  String shown(Command command) {
    var text = new StringBuilder("lrt " + command.name());
    line.getArgList().forEach(operand -> text.append(' ').append(operand));
    for (Option option : line.getOptions()) {
      text.append(' ').append(dashes(option));
      if (option.hasArg()) {
        text.append(' ').append(option.getValue());
      }
    }
    return text.toString();
  }

  boolean has(String option) {
    return line.hasOption(option);
  }

  /** The operand, or null without one. */
  @Nullable String operand() {
    return line.getArgList().isEmpty() ? null : line.getArgList().getFirst();
  }

  /** The option's value, or null when it is not given. */
  @Nullable String text(String option) {
    return line.getOptionValue(option);
  }

  /** The values of an option that may be repeated. */
  List<String> texts(String option) {
    String[] values = line.getOptionValues(option);
    return values == null ? List.of() : List.of(values);
  }

  /** One of {@code choices}, the first of them when the option is not given. */
  String choice(String option, String... choices) {
    String value = text(option);
    return value == null ? choices[0] : oneOf("--" + option, value, choices);
  }

  /** Some of {@code choices}, separated by commas; the first when the option is not given. */
  List<String> choices(String option, String... choices) {
    String value = text(option);
    if (value == null) {
      return List.of(choices[0]);
    }
    List<String> chosen = List.of(value.split(",", -1));
    chosen.forEach(one -> oneOf("--" + option, one, choices));
    return chosen.stream().distinct().toList();
  }

  /**
   * A value that must be one of {@code choices}.
   *
   * @param what it is the value of, for messages
   */
  static String oneOf(String what, String value, String... choices) {
    if (!List.of(choices).contains(value)) {
      throw isNot(what, "be one of " + String.join(", ", choices), value);
    }
    return value;
  }

  /** A whole number between {@code least} and {@code most}. */
  int integer(String option, int otherwise, int least, int most) {
    return (int) integer(option, (long) otherwise, least, most);
  }

  /** A whole number between {@code least} and {@code most}. */
  long integer(String option, long otherwise, long least, long most) {
    String value = text(option);
    if (value == null) {
      return otherwise;
    }
    try {
      long number = Long.parseLong(value.strip());
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      // the same sentence says it
    }
    boolean open = most == Integer.MAX_VALUE || most == Long.MAX_VALUE;
    boolean beyond = beyond(value.strip(), least, most);
    String range =
        least == Long.MIN_VALUE && !beyond
            ? ""
            : open && !beyond ? " of at least " + least : " from " + least + " to " + most;
    throw must(option, "be a whole number" + range, value);
  }

  /** Whether a whole number is one that this type of number does not reach. */
  private static boolean beyond(String value, long least, long most) {
    if (!value.matches("[-+]?\\d{1,1000}")) {
      return false;
    }
    var number = new BigInteger(value);
    return number.compareTo(BigInteger.valueOf(most)) > 0
        || (least == Long.MIN_VALUE && number.compareTo(BigInteger.valueOf(least)) < 0);
  }

  /**
   * Whole numbers between {@code least} and {@code most}, separated by commas; each once.
   *
   * @param otherwise what is taken when the option is not given
   */
  List<Integer> integers(String option, String otherwise, int least, int most) {
    String given = text(option);
    String value = given == null ? otherwise : given;
    List<Integer> numbers = new ArrayList<>();
    for (String part : value.split(",", -1)) {
      int number = part.matches("\\d{1,9}") ? Integer.parseInt(part) : -1;
      if (number < least || number > most) {
        String range =
            most == Integer.MAX_VALUE ? "of at least " + least : "from " + least + " to " + most;
        throw must(option, "be whole numbers " + range + ", separated by commas,", value);
      }
      numbers.add(number);
    }
    return numbers.stream().distinct().toList();
  }

  /** A finite number that {@code valid} accepts and {@code expected} describes. */
  @Nullable Float number(String option, DoublePredicate valid, String expected) {
    String value = text(option);
    if (value == null) {
      return null;
    }
    try {
      float number = Float.parseFloat(value);
      if (Float.isFinite(number) && valid.test(number)) {
        return number;
      }
    } catch (NumberFormatException e) {
      // the same sentence says it
    }
    throw must(option, "be " + expected, value);
  }

  /** Token ids, {@code 1,2,3}; null when the option is not given. */
  int @Nullable [] ids(String option) {
    String value = text(option);
    if (value == null) {
      return null;
    }
    try {
      int[] ids =
          Arrays.stream(value.split(",", -1))
              .map(String::strip)
              .mapToInt(Integer::parseInt)
              .toArray();
      if (Arrays.stream(ids).allMatch(id -> id >= 0)) {
        return ids;
      }
    } catch (NumberFormatException e) {
      // the same sentence says it
    }
    if (value.matches("[\\d,\\s]*\\d{10}[\\d,\\s]*")) {
      throw must(option, "be token ids from 0 to " + Integer.MAX_VALUE, value);
    }
    throw must(option, "be token ids separated by commas, as in 1,2,3,", value);
  }

  private static UsageException must(String option, String be, String found) {
    return isNot("--" + option, be, found);
  }

  private static UsageException isNot(String what, String be, String found) {
    return new UsageException(
        String.format(
            Locale.ROOT,
            "%s must %s%s found %s",
            what,
            be,
            be.endsWith(",") ? "" : ",",
            found.isEmpty() ? "nothing" : shown(found)));
  }

  /** What was typed, as a message shows it: its beginning, without control characters. */
  static String shown(String typed) {
    return typed.codePointCount(0, typed.length()) <= MOST_SHOWN
        ? Reports.printable(typed)
        : Reports.printable(typed.substring(0, typed.offsetByCodePoints(0, MOST_SHOWN))) + "…";
  }
}
