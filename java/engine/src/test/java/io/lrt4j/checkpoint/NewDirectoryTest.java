package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.CheckpointException;
import io.lrt4j.ChildJvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A directory that is not complete leaves nothing of itself, and all that was there before. */
class NewDirectoryTest {
  @TempDir Path temporary;
  private Path before;

  @BeforeEach
  void make() throws IOException {
    before = Files.createDirectory(temporary.resolve("before"));
  }

  private static void fill(Path directory) {
    NewFile.write(directory.resolve("x"), "x");
    NewFile.directory(directory.resolve("network"));
    NewFile.write(directory.resolve("network").resolve("y"), "y");
  }

  /** All that is there, by name. */
  private List<String> names() throws IOException {
    try (var files = Files.walk(temporary)) {
      return files.map(file -> temporary.relativize(file).toString()).sorted().toList();
    }
  }

  private static void fail(Path directory) {
    try (var _ = NewDirectory.at(directory)) {
      fill(directory);
      throw new IllegalStateException("it fails");
    }
  }

  @Test
  void whatWasMadeIsRemoved() throws IOException {
    Path link = Files.createSymbolicLink(temporary.resolve("link"), before);
    for (Path directory : List.of(before, link, before.resolve("a/b"), temporary.resolve("c"))) {
      assertThrows(IllegalStateException.class, () -> fail(directory));
      assertEquals(List.of("", "before", "link"), names());
    }
  }

  @Test
  void whatIsCompleteStays() throws IOException {
    try (var made = NewDirectory.at(before)) {
      fill(before);
      made.complete();
    }
    List<String> whole = names();
    assertEquals(List.of("", "before", "before/network", "before/network/y", "before/x"), whole);
    var e = assertThrows(CheckpointException.class, () -> fail(before));
    assertEquals(
        before + ": expected an empty directory to write to, found files in it", e.getMessage());
    assertEquals(whole, names());
  }

  /** One that failed would take the other's files with it. */
  @Test
  void aDirectoryIsFilledByOneAtATime() throws IOException {
    for (Path directory : List.of(before, temporary.resolve("new"))) {
      try (var made = NewDirectory.at(directory)) {
        var e = assertThrows(CheckpointException.class, () -> fail(directory));
        assertEquals(
            directory + ": expected a directory of its own, found another process writing to it",
            e.getMessage());
        fill(directory);
        assertThrows(CheckpointException.class, () -> fail(directory));
        made.complete();
      }
      try (var files = Files.list(directory)) {
        assertEquals(2, files.count());
      }
    }
  }

  @Test
  void whatAKilledProcessLeftOfItsLockIsInNobodysWay() throws IOException {
    Files.createFile(before.resolve(NewDirectory.LOCK));
    try (var made = NewDirectory.at(before)) {
      fill(before);
      made.complete();
    }
    assertEquals(List.of("", "before", "before/network", "before/network/y", "before/x"), names());
  }

  /** Fills directories, and never comes to an end. */
  static final class Filling {
    private Filling() {}

    public static void main(String[] arguments) {
      try (var _ = NewDirectory.at(Path.of(arguments[0]));
          var _ = NewDirectory.at(Path.of(arguments[1]))) {
        fill(Path.of(arguments[0]));
        fill(Path.of(arguments[1]));
        System.out.println("begun");
        LockSupport.parkNanos(Long.MAX_VALUE);
      }
    }
  }

  @Test
  void aProcessThatIsToldToEndLeavesNothing() throws IOException, InterruptedException {
    String made = temporary.resolve("a/b").toString();
    assertEquals(
        "", ChildJvm.runUntilToldToEnd(ChildJvm.USUAL, Filling.class, before.toString(), made));
    assertEquals(List.of("", "before"), names());
  }
}
