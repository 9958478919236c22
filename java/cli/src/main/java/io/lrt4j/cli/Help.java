package io.lrt4j.cli;

import java.util.ArrayList;
import java.util.List;
import org.apache.commons.cli.Option;

/** Help texts, 100 columns wide at most. */
final class Help {
  private static final int WIDTH = 100;
  private static final int INDENT = 30;

  private Help() {}

  /** What {@code lrt --help} prints. */
  static String general(List<Command> commands) {
    var text = new StringBuilder("lrt: latent reasoning on the JVM\n\nUsage: lrt COMMAND …\n\n");
    for (Command command : commands) {
      text.append(String.format("  %-10s %s%n", command.name(), command.summary()));
    }
    return text.append(
            """

            lrt COMMAND --help shows a command's options, lrt --version the version.
            Results go to standard output, notes and errors to standard error.
            Exit status: 0 success, 1 failure, 2 wrong usage.
            """)
        .toString();
  }

  /** What {@code lrt COMMAND --help} prints. */
  static String of(Command command) {
    var text = new StringBuilder();
    text.append("Usage: lrt ").append(command.name()).append(' ').append(command.usage());
    text.append("\n\n").append(command.summary()).append("\n\n");
    for (Option option : command.options().getOptions()) {
      String left = "  --" + option.getLongOpt();
      if (option.hasArg()) {
        left += " " + option.getArgName();
      }
      List<String> lines = wrap(option.getDescription(), WIDTH - INDENT);
      if (left.length() >= INDENT) {
        text.append(left).append('\n');
        left = "";
      }
      for (String line : lines) {
        text.append(left).append(" ".repeat(INDENT - left.length())).append(line).append('\n');
        left = "";
      }
    }
    if (!command.notes().isEmpty()) {
      text.append('\n').append(command.notes());
    }
    return text.toString();
  }

  private static List<String> wrap(String text, int width) {
    List<String> lines = new ArrayList<>();
    var line = new StringBuilder();
    for (String word : text.split(" ", -1)) {
      if (!line.isEmpty() && line.length() + 1 + word.length() > width) {
        lines.add(line.toString());
        line.setLength(0);
      }
      line.append(line.isEmpty() ? "" : " ").append(word);
    }
    lines.add(line.toString());
    return lines;
  }
}
