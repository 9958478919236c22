package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
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
    String fastest = TestModels.backends().findFirst().orElseThrow();
    assertEquals(fastest + "\n", ChildJvm.run(ChildJvm.PATIENT, Main.class));
  }
}
