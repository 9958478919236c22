package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

final class LogsTest {
  private static final Logger LOGGER = Logger.getLogger("io.lrt4j.cli.LogsTest");

  @Test
  void aWarningSaysItsCauseOnItsLine() {
    assertEquals(
        "lrt: it broke: java.io.IOException: cut off" + System.lineSeparator(),
        logged(false, Level.WARNING));
    assertEquals("", logged(false, Level.INFO));
  }

  @Test
  void anErrorSaysWhereItCameFrom() {
    assertTrue(logged(false, Level.SEVERE).contains("\tat io.lrt4j.cli.LogsTest.logged"));
    assertTrue(logged(true, Level.INFO).contains("\tat io.lrt4j.cli.LogsTest.logged"));
  }

  private static String logged(boolean verbose, Level level) {
    var bytes = new ByteArrayOutputStream();
    try (var _ = new Logs(new PrintStream(bytes, true, StandardCharsets.UTF_8), verbose)) {
      LOGGER.log(level, "it broke", new IOException("cut off"));
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
