package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * What becomes of a loaded model when somebody cuts, overwrites or replaces its files. In processes
 * of their own: a mistake here ends a process.
 */
@DisabledOnOs(OS.WINDOWS) // which does not let anyone cut a file that is mapped
class ChangedFilesTest {
  private static final int WAYS = 3;
  private static final int ROUNDS = 51; // of some files, every one in every way

  @TempDir Path temporary;

  /** The process that lives on. */
  public static final class Main {
    private Main() {}

    /** Asks between changes of every file of the model's and the network's directory. */
    public static void main(String[] arguments) throws IOException {
      Path base = Path.of(arguments[0]);
      Path network = Path.of(arguments[1]);
      Question question = Question.of("What is 12+30?").mode(Mode.LATENT).maxTokens(12);
      try (Engine engine = TestModels.engine(base, network, arguments[2])) {
        List<Integer> expected = engine.ask(question).ids();
        for (int i = 0; i < 10; i++) {
          engine.ask(question); // until the kernels are compiled
        }
        List<Path> files = new ArrayList<>(files(base));
        files.addAll(files(network));
        var random = new Random(1);
        for (int round = 0; round < ROUNDS; round++) {
          int next = round % files.size();
          Path file = files.get(next);
          change(file, (next + round / files.size()) % WAYS, random);
          if (!engine.ask(question).ids().equals(expected)) {
            throw new AssertionError("another answer after a change of " + file);
          }
        }
      }
      System.out.println(ROUNDS + " rounds");
    }

    private static List<Path> files(Path directory) throws IOException {
      try (var files = Files.list(directory)) {
        return files.sorted().toList();
      }
    }

    private static void change(Path file, int how, Random random) throws IOException {
      byte[] noise = new byte[(int) Math.max(Files.size(file), 4096)];
      random.nextBytes(noise);
      switch (how) {
        case 0 -> cut(file);
        case 1 -> {
          try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(noise)); // in place, as cp does
          }
        }
        default -> {
          Path other = Files.write(file.resolveSibling("new"), noise);
          Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
  }

  /** The process whose weights are mapped, and cut while they are. */
  public static final class Mapped {
    private Mapped() {}

    private static final int[] IDS = {1, 2, 3};

    /** Cuts weights in use, those of a network too, and asks in every way. */
    public static void main(String[] arguments) {
      List<Path> models = Stream.of(arguments).map(Path::of).toList();
      var one = GenerationOptions.defaults().withMaxTokens(1);
      cutWhile(models.get(0), "", engine -> engine.generate(IDS, one));
      cutWhile(models.get(1), "", engine -> engine.score(IDS, false, false));
      cutWhile(
          models.get(2),
          "network",
          engine -> engine.ask(Question.of("1 + 2?").mode(Mode.LATENT).maxTokens(1)));
    }

    private static void cutWhile(Path base, String part, Consumer<Engine> asking) {
      EngineOptions options =
          EngineOptions.defaults().withBackend("scalar").withThreads(1).withMappedWeights(true);
      try (Engine engine = Engine.load(base, options)) {
        cut(base.resolve(part).resolve("model.safetensors"));
        asking.accept(engine);
      } catch (CheckpointException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  private static void cut(Path file) {
    try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void weightsThatWereReadStayAsTheyWere() throws Exception {
    Path base = TestModels.copy(TestModels.BASE, temporary.resolve("base"));
    Path network = TestModels.copy(TestModels.APPEND, temporary.resolve("network"));
    assertEquals(
        ROUNDS + " rounds\n",
        ChildJvm.run(ChildJvm.PATIENT, Main.class, base.toString(), network.toString(), "vector"));
  }

  /** Interpreted, because compiled code may have to be killed by the system. */
  @Test
  void mappedWeightsThatWereCutAreARefusal() throws Exception {
    List<String> models = new ArrayList<>();
    for (String name : List.of("a", "b", "c")) {
      models.add(TestModels.copy(TestModels.BASE, temporary.resolve(name)).toString());
    }
    TestModels.copy(TestModels.APPEND, temporary.resolve("c/network"));
    assertEquals(
        models.stream()
            .map(m -> m + ": a file of mapped weights was changed while it was in use\n")
            .collect(Collectors.joining()),
        ChildJvm.run(ChildJvm.with("-Xint"), Mapped.class, models.toArray(String[]::new)));
  }
}
