package io.lrt4j.cli;

/** Entry point of the process; {@link Lrt} does the work. */
final class Main {
  private Main() {}

  public static void main(String[] args) {
    System.exit(Lrt.run(args, Streams.ofProcess()));
  }
}
