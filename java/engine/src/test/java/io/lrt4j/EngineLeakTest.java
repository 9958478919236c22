package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.File;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

  /** A process in which class loaders of their own load the library, as web applications are. */
  public static final class Redeploying {
    private Redeploying() {}

    /** Says how many class loaders are still there, of three whose engines were closed. */
    public static void main(String[] arguments) throws Exception {
      List<WeakReference<ClassLoader>> all = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        all.add(deployed(Path.of(arguments[0])));
      }
      long left = all.size();
      for (int i = 0; i < 200 && left > 0; i++) {
        System.gc();
        Thread.sleep(20);
        left = all.stream().filter(loader -> loader.get() != null).count();
      }
      System.out.println(left + " left");
    }

    private static WeakReference<ClassLoader> deployed(Path model) throws Exception {
      List<URL> urls = new ArrayList<>();
      for (String path : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
        urls.add(Path.of(path).toUri().toURL());
      }
      ClassLoader platform = ClassLoader.getPlatformClassLoader();
      try (var loader = new URLClassLoader(urls.toArray(URL[]::new), platform)) {
        Class<?> type = loader.loadClass(Engine.class.getName());
        Class<?> mode = loader.loadClass(Mode.class.getName());
        Object engine = type.getMethod("load", Path.class).invoke(null, model);
        type.getMethod("ask", String.class, mode)
            .invoke(engine, "1+3?", mode.getField("DIRECT").get(null));
        type.getMethod("close").invoke(engine);
        return new WeakReference<>(loader);
      }
    }
  }

  @Test
  void aClassLoaderWhoseEnginesAreClosedIsUnloaded() throws IOException, InterruptedException {
    // Java's own caches hold it softly, until memory is short.
    List<String> options = ChildJvm.with("-XX:SoftRefLRUPolicyMSPerMB=0");
    String model = Fixtures.dir(TestModels.BASE).toString();
    assertEquals("0 left\n", ChildJvm.run(options, Redeploying.class, model));
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
