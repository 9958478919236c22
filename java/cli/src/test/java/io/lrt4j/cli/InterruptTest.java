package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ctrl-C, in a process of its own. */
class InterruptTest {
  /** Waits to be cancelled, as an answer would, then prints what there is. */
  static final class Answering {
    public static void main(String[] args) {
      try (var interrupt = new Interrupt()) {
        System.out.println("begun");
        while (!interrupt.cancellation().isCancelled()) {
          Thread.onSpinWait();
        }
        System.out.println("what there is");
      }
      System.exit(0);
    }
  }

  @Test
  void whatThereIsGetsPrinted(@TempDir Path folder) throws IOException, InterruptedException {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    Process process =
        new ProcessBuilder(
                java.toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Answering.class.getName())
            .redirectError(folder.resolve("err").toFile())
            .start();
    try (var lines = process.inputReader(StandardCharsets.UTF_8)) {
      assertEquals("begun", lines.readLine(), Files.readString(folder.resolve("err")));
      String pid = Long.toString(process.pid());
      boolean ignored = isInterruptIgnored();
      String signal = ignored ? "-TERM" : "-INT"; // Java treats them alike
      assertEquals(0, new ProcessBuilder("kill", signal, pid).start().waitFor());
      assertEquals("what there is", lines.readLine());
      assertEquals(ignored ? 143 : 130, process.waitFor());
    } finally {
      process.destroyForcibly();
    }
  }

  /**
   * A build in the background of a shell has SIGINT ignored, and all that it starts inherits it.
   */
  private static boolean isInterruptIgnored() throws IOException, InterruptedException {
    Process shell = new ProcessBuilder("sh", "-c", "kill -INT $$; exit 0").start();
    return shell.waitFor() == 0;
  }

  @Test
  void nothingIsCancelledOtherwise() {
    try (var interrupt = new Interrupt()) {
      assertFalse(interrupt.cancellation().isCancelled());
    }
  }
}
