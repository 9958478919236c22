package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/** Engines leave no thread and no mapping behind. */
@Isolated("it counts the threads of the process")
class EngineLeakTest {
  private static final Question QUESTION = Question.of("How many apples are 1 and 3?");

  @TempDir Path temporary;

  @Test
  @EnabledOnOs(OS.LINUX)
  void manyEnginesLeaveNothingBehind() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    TestModels.copy(TestModels.APPEND, model.resolve("network"));
    List<Mode> modes = List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT);
    long threads = engineThreads();
    for (int i = 0; i < 60 * Fuzz.FACTOR; i++) {
      EngineOptions options =
          EngineOptions.defaults()
              .withBackend(i % 4 == 0 ? "scalar" : "vector")
              .withThreads(2)
              .withMappedWeights(i % 3 == 0);
      try (Engine engine = Engine.load(model, options)) {
        Question question = QUESTION.mode(modes.get(i % 3)).maxTokens(2);
        assertEquals(2, engine.ask(question).ids().size());
        if (i < 2) {
          // Of model and network, or of neither: the count below can fail.
          assertEquals(options.mappedWeights() ? 2 : 0, mappings());
        }
      }
    }
    assertEquals(0, mappings());
    assertEquals(threads, engineThreads());
  }

  /** Its threads end, and what it mapped goes, once the garbage collector has found it. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void anEngineThatIsDroppedIsFreed() throws IOException, InterruptedException {
    long threads = engineThreads();
    dropped(TestModels.copy(TestModels.BASE, temporary.resolve("dropped")));
    for (int i = 0; i < 1000 && (mappings() > 0 || engineThreads() > threads); i++) {
      System.gc();
      Thread.sleep(20);
    }
    assertEquals(0, mappings());
    assertEquals(threads, engineThreads());
  }

  private void dropped(Path model) throws IOException {
    EngineOptions options = EngineOptions.defaults().withThreads(2).withMappedWeights(true);
    Engine engine = Engine.load(model, options);
    assertEquals(1, engine.ask(QUESTION.mode(Mode.DIRECT).maxTokens(1)).ids().size());
    assertEquals(1, mappings());
  }

  private long mappings() throws IOException {
    String path = temporary.toRealPath().toString();
    try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
      return lines.filter(line -> line.contains(path)).count();
    }
  }

  private static long engineThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.isAlive() && thread.getName().startsWith("lrt4j"))
        .count();
  }
}
