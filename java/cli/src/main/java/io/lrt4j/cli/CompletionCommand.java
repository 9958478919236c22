package io.lrt4j.cli;

import java.util.stream.Collectors;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;

/** {@code lrt completion}: what a shell needs to complete commands, options and their values. */
final class CompletionCommand implements Command {
  @Override
  public String name() {
    return "completion";
  }

  @Override
  public String summary() {
    return "print a script that lets bash or zsh complete lrt's commands and options";
  }

  @Override
  public String usage() {
    return "bash|zsh";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    return CommonOptions.general();
  }

  @Override
  public String notes() {
    return """
    For this shell: eval "$(lrt completion bash)". For all: put that line into ~/.bashrc, or
    with zsh in place of bash, after compinit, into ~/.zshrc.
    """;
  }

  @Override
  public void run(Arguments arguments, Console console) {
    String shell = arguments.operand();
    if (shell == null || !(shell.equals("bash") || shell.equals("zsh"))) {
      throw new UsageException(
          "completion is for bash or zsh, found " + (shell == null ? "nothing" : shell));
    }
    if (shell.equals("zsh")) {
      console.out().println("autoload -Uz bashcompinit && bashcompinit");
    }
    console.out().print(script());
  }

  private static String script() {
    String names = Lrt.COMMANDS.stream().map(Command::name).collect(Collectors.joining(" "));
    var script =
        new StringBuilder(
            """
            _lrt() {
              local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=
              if (( COMP_CWORD == 1 )); then
                words="%s help --help --version"
              else
                case "${COMP_WORDS[1]} $previous" in
                  help\\ *) words="%s" ;;
            """
                .formatted(names, names));
    for (Command command : Lrt.COMMANDS) {
      for (Option option : command.options().getOptions()) {
        if (option.hasArg()) {
          // Alternatives are offered; a folder or a file is left to the shell.
          String value = option.getArgName();
          String words = value.matches("[a-z0-9|-]+") ? value.replace('|', ' ') : "";
          script.append(
              "      \"%s --%s\") words=\"%s\" ;;\n"
                  .formatted(command.name(), option.getLongOpt(), words));
        }
      }
      String options =
          command.options().getOptions().stream()
              .map(option -> "--" + option.getLongOpt())
              .collect(Collectors.joining(" "));
      script.append("      %s\\ *) words=\"%s\" ;;\n".formatted(command.name(), options));
    }
    return script
        .append(
            """
                esac
              fi
              COMPREPLY=($(compgen -W "$words" -- "$current"))
            }
            complete -o default -F _lrt lrt ./lrt
            """)
        .toString();
  }
}
