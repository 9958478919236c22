package io.lrt4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.commons.cli.Option;

/** Help texts, as wide as the terminal, 100 columns at most. */
final class Help {
  private static final int NARROWEST = 60;
  private static final int WIDEST = 100;
  private static final int INDENT = 30;

  private Help() {}

  /**
   * What {@code lrt --help} prints.
   *
   * @param columns of the terminal; 0 if there is none
   */
  static String general(List<Command> commands, int columns) {
    int width = width(columns);
    var text = new StringBuilder("lrt: latent reasoning on the JVM\n\nUsage: lrt COMMAND …\n\n");
    for (Command command : commands) {
      String summary = String.join("\n" + " ".repeat(13), wrap(command.summary(), width - 13));
      text.append(String.format("  %-10s %s\n", command.name(), summary));
    }
    text.append('\n');
    paragraph(
        """
        lrt COMMAND --help and lrt help COMMAND show a command's options, lrt --version the version.
        Results go to standard output, notes and errors to standard error.
        Exit status: 0 success, 1 failure, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM, 141
        once nobody reads the output.
        """,
        width,
        text);
    return text.toString();
  }

  /**
   * What {@code lrt COMMAND --help} prints.
   *
   * @param columns of the terminal; 0 if there is none
   */
  static String of(Command command, int columns) {
    int width = width(columns);
    var text = new StringBuilder();
    String usage = "Usage: lrt " + command.name() + " " + command.usage();
    text.append(String.join("\n    ", wrap(usage, width - 4)));
    text.append("\n\n").append(String.join("\n", wrap(command.summary(), width)));
    text.append("\n\n");
    for (Option option : command.options().getOptions()) {
      String left = "  --" + option.getLongOpt();
      if (option.hasArg()) {
        left += " " + option.getArgName();
      }
      List<String> lines = wrap(option.getDescription(), width - INDENT);
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
      text.append('\n');
      paragraph(command.notes(), width, text);
    }
    return text.toString();
  }

  private static int width(int columns) {
    return columns <= 0 ? WIDEST : Math.clamp(columns, NARROWEST, WIDEST);
  }

  private static void paragraph(String lines, int width, StringBuilder text) {
    lines
        .lines()
        .flatMap(line -> line.length() <= width ? Stream.of(line) : wrap(line, width).stream())
        .forEach(line -> text.append(line).append('\n'));
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
