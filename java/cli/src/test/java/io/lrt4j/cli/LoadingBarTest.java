package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The bar is for whoever watches a load that takes long, and goes with its end. */
class LoadingBarTest {
  private static final Path MODEL = Path.of("models", "large");

  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private long millis = -1500; // clocks may begin anywhere

  private LoadingBar bar(boolean terminal) {
    var console =
        new Console(
            new ByteArrayInputStream(new byte[0]),
            new PrintStream(new ByteArrayOutputStream(), false, StandardCharsets.UTF_8),
            new PrintStream(err, false, StandardCharsets.UTF_8),
            false,
            false,
            terminal,
            null);
    return new LoadingBar(console, () -> millis * 1_000_000);
  }

  private String shown() {
    String text = err.toString(StandardCharsets.UTF_8);
    err.reset();
    return text;
  }

  @Test
  void aLoadThatTakesLong() {
    try (LoadingBar bar = bar(true)) {
      millis += 999;
      bar.onProgress(MODEL, 0.2);
      assertEquals("", shown());
      millis += 1;
      bar.onProgress(MODEL, 0.25);
      assertEquals("\r\033[K[=====               ] 25 %  loading large", shown());
      millis += 199;
      bar.onProgress(MODEL, 0.3);
      assertEquals("", shown());
      millis += 1;
      bar.onProgress(MODEL, 1);
      assertEquals("\r\033[K[====================] 100 %  loading large", shown());
    }
    assertEquals("\r\033[K", shown());
  }

  @Test
  void aShortOneShowsNothing() {
    try (LoadingBar bar = bar(true)) {
      millis += 500;
      bar.onProgress(MODEL, 1);
    }
    assertEquals("", shown());
  }

  @Test
  void nobodyWatches() {
    try (LoadingBar bar = bar(false)) {
      millis += 5000;
      bar.onProgress(MODEL, 0.5);
    }
    assertEquals("", shown());
  }
}
