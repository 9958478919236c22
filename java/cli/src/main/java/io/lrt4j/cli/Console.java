package io.lrt4j.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
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
    return text(in.readAllBytes(), what);
  }

  /**
   * The next line of standard input, without its end; null at the end of input.
   *
   * @param prompt what a person sees before it
   */
  byte @Nullable [] line(String prompt) throws IOException {
    if (inTerminal) {
      err.print(prompt);
      err.flush();
    }
    var line = new ByteArrayOutputStream();
    int next = in.read();
    if (next < 0) {
      return null;
    }
    for (; next >= 0 && next != '\n'; next = in.read()) {
      line.write(next);
    }
    byte[] bytes = line.toByteArray();
    int n = bytes.length;
    return n > 0 && bytes[n - 1] == '\r' ? Arrays.copyOf(bytes, n - 1) : bytes;
  }

  /**
   * Bytes of standard input as text.
   *
   * @param what they are, for messages
   * @throws FailureException if they are not UTF-8
   */
  String text(byte[] bytes, String what) {
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
