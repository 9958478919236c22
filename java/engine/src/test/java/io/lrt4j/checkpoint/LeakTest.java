package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.LrtException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/** Mapped segments and open files, as the kernel counts them, before and after. */
@EnabledOnOs(OS.LINUX)
@Isolated("it counts the open files of the process")
class LeakTest {
  @TempDir Path temporary;

  @Test
  void aThousandFailedLoadsLeaveNothingBehind() throws IOException {
    List<Path> bad =
        List.of(
            spoilt("second shard", TinyModel::sharded, m -> m.truncate("b.safetensors", 1)),
            spoilt(
                "index",
                TinyModel::sharded,
                m -> m.weightMap(w -> w.put("model.norm.weight", "a.safetensors"))),
            spoilt("shape", TinyModel::base, m -> m.config(c -> c.put("vocab_size", 5))),
            spoilt("header", TinyModel::base, m -> m.header("{\"x\":1}", 4)),
            spoilt("hole", TinyModel::base, m -> m.header("{}", 4096)),
            spoilt("config", TinyModel::base, m -> m.text("config.json", "{")),
            spoilt(
                "eos", TinyModel::base, m -> m.text("generation_config.json", "{\"do_sample\":3}")),
            spoilt("queries", TinyModel::network, m -> m.config(c -> c.put("fusion", "x"))),
            spoilt(
                "latents", TinyModel::network, m -> m.config(c -> c.put("num_latent_tokens", 9))),
            temporary.resolve("missing"));
    bad.forEach(LeakTest::fail);
    long descriptors = openFiles();

    for (int i = 0; i < 100; i++) {
      bad.forEach(LeakTest::fail);
    }

    assertEquals(0, mappings(), "mapped files");
    assertEquals(0, openFilesOfTest(), "open files of the test");
    assertEquals(descriptors, openFiles(), "open files");
  }

  @Test
  void closingUnmaps() throws IOException {
    Path directory = Files.createDirectory(temporary.resolve("sound"));
    TinyModel.sharded(directory);
    Checkpoint checkpoint = Checkpoint.open(directory);
    assertEquals(2, mappings());
    assertEquals(2, openFilesOfTest()); // weights that are copied are read from them
    StoredTensor tensor = checkpoint.tensor("model.norm.weight");
    checkpoint.close();
    assertThrows(IllegalStateException.class, () -> tensor.element(0));
    checkpoint.close(); // a second time does no harm
    assertEquals(0, mappings());
    assertEquals(0, openFilesOfTest());
  }

  private interface Make {
    TinyModel in(Path directory);
  }

  private interface Spoil {
    void spoil(TinyModel model);
  }

  private Path spoilt(String name, Make make, Spoil spoil) throws IOException {
    Path directory = Files.createDirectory(temporary.resolve(name));
    spoil.spoil(make.in(directory));
    return directory;
  }

  private static void fail(Path directory) {
    if (directory.endsWith("queries") || directory.endsWith("latents")) {
      assertThrows(LrtException.class, () -> NetworkCheckpoint.open(directory));
    } else {
      assertThrows(LrtException.class, () -> Checkpoint.open(directory));
    }
  }

  private long mappings() throws IOException {
    String path = temporary.toRealPath().toString();
    try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
      return lines.filter(line -> line.contains(path)).count();
    }
  }

  private static long openFiles() throws IOException {
    try (var files = Files.list(Path.of("/proc/self/fd"))) {
      return files.count();
    }
  }

  private long openFilesOfTest() throws IOException {
    Path path = temporary.toRealPath();
    try (var files = Files.list(Path.of("/proc/self/fd"))) {
      return files.filter(fd -> target(fd).startsWith(path)).count();
    }
  }

  private static Path target(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor);
    } catch (IOException e) {
      return descriptor; // the one of the listing itself is gone by now
    }
  }
}
