package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.ChildJvm;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.LrtException;
import io.lrt4j.TestModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where native libraries go, and what an engine says at load where they cannot go anywhere. */
class NativeFilesTest {
  private static final List<String> QUICK = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");
  private static final String TOKENIZER = System.mapLibraryName("tokenizers");

  @TempDir Path temporary;

  /** Loads an engine, in a process that may not. */
  static final class Main {
    private Main() {}

    public static void main(String[] arguments) {
      var options = EngineOptions.defaults().withBackend("scalar");
      try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE), options)) {
        System.out.println(engine.encode("abc").length > 0);
      } catch (LrtException e) {
        System.out.println(String.valueOf(e.getMessage()).replaceFirst("for \\S+ ", ""));
      }
    }
  }

  private static String load(String... options) throws IOException, InterruptedException {
    return load(Map.of(), options);
  }

  private static String load(Map<String, String> environment, String... options)
      throws IOException, InterruptedException {
    List<String> all = Stream.concat(QUICK.stream(), Stream.of(options)).toList();
    return ChildJvm.run(environment, all, Main.class)
        .replace("WARNING: java.io.tmpdir directory does not exist\n", ""); // Java's own
  }

  @Test
  void nativeAccessThatIsDenied() throws IOException, InterruptedException {
    assertEquals(
        "the native tokenizer cannot be loaded: Java does not allow native code here: start it with"
            + " --enable-native-access=ALL-UNNAMED\n",
        load("--illegal-native-access=deny"));
  }

  @Test
  void aTemporaryDirectoryThatIsNone() throws IOException, InterruptedException {
    String none = temporary.resolve("none").toString();
    assertEquals(
        "the native tokenizer cannot be loaded: the temporary directory "
            + none
            + " cannot be written; name another one by -Dlrt4j.natives=DIRECTORY\n",
        load("--enable-native-access=ALL-UNNAMED", "-Djava.io.tmpdir=" + none)
            .replaceFirst("written \\(.*?\\)", "written"));
  }

  /** Its name is not ASCII, but the locale is. Options in a file come as they are. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void aTemporaryDirectoryThatTheLocaleCannotName() throws IOException, InterruptedException {
    Path options = temporary.resolve("options");
    Files.writeString(options, "-Djava.io.tmpdir=/tmp/ü");
    var ascii = Map.of("LC_ALL", "C");
    String told =
        " is no name for a file where Java writes those in ANSI_X3.4-1968, as the locale says;"
            + " start it in one of UTF-8 (LC_ALL=C.UTF-8), or name another one by"
            + " -Dlrt4j.natives=DIRECTORY\n";
    assertEquals(
        "the native tokenizer cannot be loaded: the temporary directory /tmp/??" + told,
        load(ascii, "--enable-native-access=ALL-UNNAMED", "@" + options));
    Path place = temporary.resolve("place");
    String own = "-Dlrt4j.natives=" + place;
    assertEquals("true\n", load(ascii, "--enable-native-access=ALL-UNNAMED", "@" + options, own));
    Files.writeString(options, own + "ü");
    assertEquals(
        "the native tokenizer cannot be loaded: " + own + "??" + told,
        load(ascii, "--enable-native-access=ALL-UNNAMED", "@" + options));
  }

  @ParameterizedTest
  @ValueSource(strings = {"target", "", "."})
  void aTemporaryDirectoryThatIsRelative(String relative) throws IOException, InterruptedException {
    assertEquals(
        "true\n", load("--enable-native-access=ALL-UNNAMED", "-Djava.io.tmpdir=" + relative));
  }

  /**
   * Needs no temporary directory, and what lies there already is used, or replaced if it differs.
   */
  @Test
  void aPlaceOfTheirOwn() throws IOException, InterruptedException {
    Path place = temporary.resolve("place");
    String[] options = {
      "--enable-native-access=ALL-UNNAMED",
      "-Djava.io.tmpdir=" + temporary.resolve("none"),
      "-Dlrt4j.natives=" + place
    };
    assertEquals("true\n", load(options));
    byte[] library = Files.readAllBytes(place.resolve(TOKENIZER));
    Object key = Files.readAttributes(place.resolve(TOKENIZER), "*").get("fileKey");
    assertEquals("true\n", load(options));
    assertEquals(key, Files.readAttributes(place.resolve(TOKENIZER), "*").get("fileKey"));
    Files.writeString(place.resolve(TOKENIZER), "of another version");
    assertEquals("true\n", load(options));
    assertArrayEquals(library, Files.readAllBytes(place.resolve(TOKENIZER)));
    try (var files = Files.list(place)) {
      assertTrue(files.noneMatch(file -> file.toString().endsWith(".new")));
    }
  }

  /** Loads what is in a jar, and takes its time. */
  static final class Loading {
    private Loading() {}

    public static void main(String[] arguments) throws IOException {
      NativeFiles.load(
          NativeFilesTest.class,
          "",
          List.of("NativeFilesTest.class"),
          file -> {
            System.out.println("written");
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(500));
            return file;
          });
      System.out.println("loaded");
    }
  }

  @Test
  void aProcessThatIsToldToEndLeavesNone() throws IOException, InterruptedException {
    List<String> options = ChildJvm.with("-Djava.io.tmpdir=" + temporary);
    String _ = ChildJvm.runUntilToldToEnd(options, Loading.class);
    try (var files = Files.list(temporary)) {
      assertEquals(List.of(), files.toList());
    }
  }

  /** An image's: its jars have none. What a jar does have is taken from there. */
  @Test
  void amongThoseOfJava() throws IOException {
    Path ofJava = Files.createDirectory(temporary.resolve("lib"));
    Path first = Files.createFile(ofJava.resolve("first.so"));
    Path second = Files.createFile(ofJava.resolve("second.so"));
    List<Path> loaded = new ArrayList<>();
    assertEquals("second.so", load(List.of("first.so", "second.so"), ofJava, loaded));
    assertEquals(List.of(first, second), loaded);
    Path inJar = Files.createFile(ofJava.resolve("NativeFilesTest.class"));
    assertEquals("NativeFilesTest.class", load(List.of("NativeFilesTest.class"), ofJava, loaded));
    assertFalse(loaded.contains(inJar));
    IOException e =
        assertThrows(
            IOException.class, () -> load(List.of("first.so", "third.so"), ofJava, loaded));
    assertEquals("there is no first.so in this version", e.getMessage());
    assertTrue(NativeFiles.has(NativeFilesTest.class, "", "NativeFilesTest.class"));
    assertTrue(NativeFiles.has(NativeFilesTest.class, "", System.mapLibraryName("java")));
    assertFalse(NativeFiles.has(NativeFilesTest.class, "", "third.so"));
  }

  private static String load(List<String> names, Path ofJava, List<Path> loaded)
      throws IOException {
    return NativeFiles.load(
        NativeFilesTest.class,
        "",
        names,
        ofJava,
        file -> {
          loaded.add(file);
          return file.getFileName().toString();
        });
  }

  @Test
  void fileSystemsThatRunNoPrograms() {
    List<String> mounts =
        List.of(
            "overlay / overlay rw,relatime 0 0",
            "tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime 0 0",
            "/dev/sda1 /tmp/run ext4 rw 0 0",
            "tmpfs /tmp/run tmpfs rw,noexec 0 0",
            "/dev/sda2 /tmp/run/exec ext4 rw 0 0");
    assertTrue(NativeFiles.noexec(mounts, Path.of("/tmp")));
    assertTrue(NativeFiles.noexec(mounts, Path.of("/tmp/lrt4j123")));
    assertTrue(NativeFiles.noexec(mounts, Path.of("/tmp/run/x"))); // the later mount is on top
    assertFalse(NativeFiles.noexec(mounts, Path.of("/tmp/run/exec/x")));
    assertFalse(NativeFiles.noexec(mounts, Path.of("/tmpfile")));
    assertFalse(NativeFiles.noexec(List.of(), Path.of("/tmp")));
  }
}
