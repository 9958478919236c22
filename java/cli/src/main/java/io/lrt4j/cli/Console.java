package io.lrt4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
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

  /**
   * All of standard input.
   *
   * @param what it is, for messages
   * @throws FailureException if it is not UTF-8
   */
  String read(String what) throws IOException {
    if (inTerminal) {
      note("Reading the " + what + " from standard input; Ctrl-D ends it.");
    }
    byte[] bytes = in.readAllBytes();
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new FailureException("the " + what + " on standard input is not UTF-8 text");
    }
  }

  /** One line on standard error. */
  void note(String text) {
    err.println(text);
    err.flush();
  }
}
