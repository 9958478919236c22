package io.lrt4j.cli;

import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What a command reads from, writes to, and knows of its surroundings.
 *
 * @param in standard input
 * @param out standard output: results only
 * @param err standard error: notes, progress, errors
 * @param inTerminal whether a person types {@code in}
 * @param outTerminal whether a person reads {@code out}
 * @param errTerminal whether a person reads {@code err}
 * @param home the launcher's folder, or null when started without it
 */
record Console(
    InputStream in,
    PrintStream out,
    PrintStream err,
    boolean inTerminal,
    boolean outTerminal,
    boolean errTerminal,
    @Nullable Path home) {

  /** Nobody is watching: as in a script. */
  static Console of(InputStream in, PrintStream out, PrintStream err) {
    return new Console(in, out, err, false, false, false, null);
  }

  /** One line on standard error. */
  void note(String text) {
    err.println(text);
    err.flush();
  }
}
