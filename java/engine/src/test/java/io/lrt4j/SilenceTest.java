package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The library prints nothing, not even by way of a logger: asked of a fresh process with Java's own
 * logging as it is without any configuration, where what reaches a console can be seen.
 */
class SilenceTest {
  /** The other process. */
  public static final class Main {
    private Main() {}

    /** Loads and asks with every backend. */
    public static void main(String[] arguments) {
      for (String backend : TestModels.backends().toList()) {
        try (Engine engine = TestModels.engine(backend)) {
          for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
            engine.ask(Question.of("What is 12+30?").mode(mode).maxTokens(4));
            engine.ask(Question.of("?").mode(mode).maxTokens(4), token -> {});
          }
        }
      }
      try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE))) {
        System.out.println(engine.backend()); // the one line of the test itself
      }
    }
  }

  @Test
  void aProcessWithTheLibraryPrintsNothing() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName())
            .redirectErrorStream(true)
            .start();
    String printed;
    try (var output = process.getInputStream()) {
      printed = new String(output.readAllBytes(), StandardCharsets.UTF_8);
    }
    // Java itself says so, before any code of ours runs.
    String incubating = "WARNING: Using incubator modules: jdk.incubator.vector\n";
    String fastest = TestModels.backends().findFirst().orElseThrow();
    assertEquals(incubating + fastest + "\n", printed);
    assertEquals(0, process.waitFor());
  }
}
