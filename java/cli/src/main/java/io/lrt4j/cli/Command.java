package io.lrt4j.cli;

import java.io.IOException;
import java.util.Set;
import org.apache.commons.cli.Options;

/** One command of {@code lrt}. */
interface Command {
  /** The word that calls it. */
  String name();

  /** What it does, in one line. */
  String summary();

  /** What follows the name: operands, and the options that matter most. */
  String usage();

  /** Its options, help excluded. */
  Options options();

  /** Most operands that it takes. */
  default int operands() {
    return 0;
  }

  /** Names of the options that may be given several times. */
  default Set<String> repeatable() {
    return Set.of("stop");
  }

  /** What else a reader of its help should know; "" for nothing. */
  default String notes() {
    return "";
  }

  /** Does it; whatever goes wrong is thrown. */
  void run(Arguments arguments, Console console) throws IOException;
}
