package io.lrt4j.cli;

import io.lrt4j.LrtException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The {@code lrt} command: finds the command, runs it, and turns whatever goes wrong into one line
 * on standard error and an exit status.
 */
final class Lrt {
  static final int SUCCESS = 0;
  static final int FAILURE = 1;
  static final int USAGE = 2;

  /** What a shell reports of other tools whose reader went away (128 + SIGPIPE). */
  static final int BROKEN_PIPE = 141;

  static final List<Command> COMMANDS =
      List.of(
          new AskCommand(),
          new ChatCommand(),
          new GenerateCommand(),
          new ScoreCommand(),
          new InspectCommand(),
          new InitCommand(),
          new QuantizeCommand(),
          new TrainCommand(),
          new LabCommand(),
          new EvalCommand(),
          new StudyCommand(),
          new BenchCommand(),
          new ServeCommand(),
          new InfoCommand(),
          new CompletionCommand());

  private Lrt() {}

  /** Runs one command line as a script would. */
  static int run(String[] args, PrintStream out, PrintStream err, InputStream in) {
    return run(args, Console.of(in, out, err));
  }

  /** Runs one command line; returns the exit status. */
  static int run(String[] args, Console console) {
    // What follows "--" is never an option.
    List<String> options = Arrays.stream(args).takeWhile(a -> !a.equals("--")).toList();
    boolean verbose = options.contains("--verbose");
    try (var _ = new Logs(console.err(), verbose)) {
      dispatch(args, options, console);
      console.out().flush();
      return SUCCESS;
    } catch (OutputException e) {
      if (e.brokenPipe()) {
        return BROKEN_PIPE;
      }
      return fail(console, e, "cannot write the output: " + e.getMessage(), verbose);
    } catch (UsageException e) {
      fail(console, e, e.getMessage(), verbose);
      return USAGE;
    } catch (LrtException | FailureException e) {
      return fail(console, e, e.getMessage(), verbose);
    } catch (UncheckedIOException e) {
      return fail(console, e, sentence(e.getCause()), verbose);
    } catch (IOException e) {
      return fail(console, e, sentence(e), verbose);
    } catch (InvalidPathException e) {
      return fail(console, e, e.getInput() + " is no path: " + e.getReason(), verbose);
    } catch (OutOfMemoryError e) {
      return fail(console, e, outOfMemory(e), verbose);
    } catch (RuntimeException | LinkageError | StackOverflowError e) {
      String what = "internal error (--verbose shows where): " + e;
      return fail(console, e, what, verbose);
    } finally {
      console.err().flush();
    }
  }

  private static void dispatch(String[] args, List<String> options, Console console)
      throws IOException {
    if (args.length == 0) {
      throw new UsageException("no command given; " + known());
    }
    String first = args[0];
    if (first.equals("--version")) {
      console.out().println("lrt " + version());
      return;
    }
    boolean help = first.equals("help");
    if (first.equals("--help") || first.equals("-h") || (help && args.length == 1)) {
      console.out().print(Help.general(COMMANDS, columns()));
      return;
    }
    if (help && args.length > 2) {
      throw new UsageException("help takes one command, found " + (args.length - 1));
    }
    Command command = command(help ? args[1] : first);
    if (help || options.contains("--help") || options.contains("-h")) {
      console.out().print(Help.of(command, columns()));
      return;
    }
    String[] rest = Arrays.copyOfRange(args, 1, args.length);
    command.run(Arguments.parse(command, rest), console);
  }

  /** Of the terminal, as the launcher tells; 0 if there is none. */
  private static int columns() {
    return Integer.getInteger("lrt.columns", 0);
  }

  private static Command command(String name) {
    return COMMANDS.stream()
        .filter(c -> c.name().equals(name))
        .findFirst()
        .orElseThrow(
            () -> {
              String hint = Nearest.hint(name, COMMANDS.stream().map(Command::name));
              return new UsageException("unknown command \"" + name + "\"" + hint + "; " + known());
            });
  }

  private static String known() {
    return COMMANDS.stream()
        .map(Command::name)
        .collect(Collectors.joining(", ", "the commands are ", " (lrt --help)"));
  }

  /** The build's version. */
  static String version() {
    String version = Lrt.class.getPackage().getImplementationVersion();
    return version == null ? "(development)" : version;
  }

  /** Tells what went wrong in one line. */
  static int fail(Console console, Throwable thrown, @Nullable String message, boolean verbose) {
    String line = message == null ? thrown.toString() : message;
    console.note("lrt: " + line.strip().replaceAll("\\s*\\R\\s*", " "));
    if (verbose) {
      thrown.printStackTrace(console.err());
    }
    return FAILURE;
  }

  private static String sentence(@Nullable IOException e) {
    return switch (e) {
      case null -> "input or output failed";
      case NoSuchFileException f -> f.getFile() + " does not exist";
      case AccessDeniedException f -> f.getFile() + " cannot be opened: permission denied";
      case FileAlreadyExistsException f -> f.getFile() + " exists already";
      case FileSystemException f when f.getReason() != null -> f.getFile() + ": " + f.getReason();
      default -> String.valueOf(e.getMessage() == null ? e : e.getMessage());
    };
  }

  private static String outOfMemory(OutOfMemoryError e) {
    return String.format(
        Locale.ROOT,
        "out of memory (%s): Java may use %d MiB; LRT_JAVA_OPTS=-Xmx… before lrt allows more",
        e.getMessage(),
        Runtime.getRuntime().maxMemory() >> 20);
  }
}
