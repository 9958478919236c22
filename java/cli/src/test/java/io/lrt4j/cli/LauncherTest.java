package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The launcher, by a shell script, since it is one. */
class LauncherTest {
  @Test
  void launcher() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                "bash",
                "src/test/sh/launcher_test.sh",
                Path.of("../../lrt").toRealPath().toString())
            .redirectErrorStream(true)
            .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.matches("(?s).*ok: [1-9][0-9]* checks\\s*"), output);
  }
}
