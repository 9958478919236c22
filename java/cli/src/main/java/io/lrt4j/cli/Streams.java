package io.lrt4j.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The process's own streams, UTF-8 whatever the locale. The launcher tells us by system properties
 * what Java cannot find out: {@code lrt.home}, {@code lrt.terminals} (those of the digits 0, 1, 2
 * whose file descriptor is a terminal) and {@code lrt.stderr} (the file descriptor of the real
 * standard error).
 */
final class Streams {
  private Streams() {}

  static Console ofProcess() {
    var out = print(new Loud(new FileOutputStream(FileDescriptor.out)));
    var err = print(new FileOutputStream(stderr()));
    System.setErr(err); // for what the JVM itself reports, such as an exception in a thread
    String terminals = System.getProperty("lrt.terminals", "");
    String home = System.getProperty("lrt.home");
    return new Console(
        System.in,
        out,
        err,
        terminals.contains("0"),
        terminals.contains("1"),
        terminals.contains("2"),
        home == null ? null : Path.of(home));
  }

  private static PrintStream print(OutputStream to) {
    return new PrintStream(new BufferedOutputStream(to), false, StandardCharsets.UTF_8);
  }

  /**
   * The launcher leads the JVM's standard error through a filter that drops the warning about
   * incubator modules, which no option turns off, and keeps the real one open for us: written
   * directly, our lines cannot arrive after we have ended.
   */
  private static FileDescriptor stderr() {
    Integer number = Integer.getInteger("lrt.stderr");
    if (number == null) {
      return FileDescriptor.err;
    }
    try {
      // The only way to a numbered descriptor: opening /dev/fd/N fails on sockets and
      // starts a redirected file anew. The manifest opens java.io for this line.
      var constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
      constructor.setAccessible(true);
      return constructor.newInstance(number);
    } catch (ReflectiveOperationException | RuntimeException e) {
      return FileDescriptor.err; // still seen, through the filter
    }
  }

  /** Throws {@link OutputException}, which a {@link PrintStream} does not swallow. */
  static final class Loud extends FilterOutputStream {
    Loud(OutputStream to) {
      super(to);
    }

    @Override
    public void write(int b) {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
      try {
        out.write(bytes, offset, length);
      } catch (IOException e) {
        throw new OutputException(e);
      }
    }
  }
}
