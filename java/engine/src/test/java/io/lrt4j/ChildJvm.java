package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Processes of their own, for what needs other options of Java or may end its process. */
public final class ChildJvm {
  /** What lrt4j is to be started with. */
  public static final List<String> USUAL =
      List.of(
          "--add-modules",
          "jdk.incubator.vector",
          "--enable-native-access=ALL-UNNAMED",
          "--sun-misc-unsafe-memory-access=allow",
          "-XX:-CreateCoredumpOnCrash",
          "-XX:+UseSerialGC", // starts soonest
          "-Xmx512m");

  /** Less of the optimising compiler, as the process of the tests itself has it. */
  public static final List<String> PATIENT =
      with(Stream.concat(own("-XX:Tier4"), own("-XX:Loop")).toArray(String[]::new));

  private ChildJvm() {}

  /**
   * Runs a class of the tests to its end, which must be a success.
   *
   * @return what it printed, without Java's own line on the vector module
   */
  public static String run(List<String> options, Class<?> main, String... arguments)
      throws IOException, InterruptedException {
    return run(Map.of(), options, main, arguments);
  }

  /** The same with these variables in its environment. */
  public static String run(
      Map<String, String> environment, List<String> options, Class<?> main, String... arguments)
      throws IOException, InterruptedException {
    var builder = new ProcessBuilder(command(options, main, arguments)).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    String printed;
    try (var output = process.getInputStream()) {
      printed = new String(output.readAllBytes(), StandardCharsets.UTF_8);
    }
    assertEquals(0, process.waitFor(), options + ": " + printed);
    return printed.replace("WARNING: Using incubator modules: jdk.incubator.vector\n", "");
  }

  /**
   * Runs a class of the tests until it has printed a line, and tells it to end as Ctrl-C does, by
   * SIGTERM.
   *
   * @return what it printed after that line
   */
  public static String runUntilToldToEnd(List<String> options, Class<?> main, String... arguments)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command(options, main, arguments))
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try (var output = process.inputReader(StandardCharsets.UTF_8)) {
      String line = output.readLine();
      process.toHandle().destroy(); // and goes on reading
      String rest = output.lines().collect(Collectors.joining("\n"));
      assertEquals(143, process.waitFor(), line + "\n" + rest);
      return rest;
    } finally {
      process.destroyForcibly();
    }
  }

  private static List<String> command(List<String> options, Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    return command;
  }

  /** The usual options and these. */
  public static List<String> with(String... options) {
    return Stream.concat(USUAL.stream(), Stream.of(options)).toList();
  }

  /** Options of this process that begin so. */
  public static Stream<String> own(String beginning) {
    return ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> option.startsWith(beginning));
  }
}
