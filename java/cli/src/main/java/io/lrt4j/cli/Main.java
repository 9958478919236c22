package io.lrt4j.cli;

/** Entry point of the process; {@link Lrt} does the work. */
final class Main {
  private Main() {}

  public static void main(String[] args) {
    // Before Java's logging begins, as it does with the class itself.
    System.setProperty("java.util.logging.manager", LastingLogs.class.getName());
    System.exit(Lrt.run(args, Streams.ofProcess()));
  }
}
