package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.compute.AtExit;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A directory that is filled as a whole or not at all. Unless it is said to be complete, what is in
 * it is removed when it is closed, or when the process is told to end (Ctrl-C, SIGTERM), and so is
 * the directory with those above it if they were not there before.
 */
final class NewDirectory implements AutoCloseable {
  private final Path directory;
  private final List<Path> made; // the innermost first
  private final AtExit atExit;
  private volatile boolean complete;

  private NewDirectory(Path directory, List<Path> made) {
    this.directory = directory;
    this.made = made;
    atExit = new AtExit(this::discard);
  }

  /**
   * Makes a directory to fill, and those above it, where there is none.
   *
   * @param directory does not exist or is empty
   * @throws CheckpointException if it cannot be made or has something in it
   */
  static NewDirectory at(Path directory) {
    List<Path> made = new ArrayList<>();
    for (Path p = directory.toAbsolutePath(); p != null && !Files.exists(p); p = p.getParent()) {
      made.add(p);
    }
    NewFile.directory(directory);
    try (var files = Files.list(directory)) {
      if (files.findAny().isPresent()) {
        throw new CheckpointException(
            directory + ": expected an empty directory to write to, found files in it");
      }
      return new NewDirectory(directory.toRealPath(), made); // it may be a link
    } catch (IOException e) {
      throw ModelFiles.unreadable(directory, e);
    }
  }

  /** What is in it is to stay. */
  void complete() {
    complete = true;
  }

  @Override
  public void close() {
    atExit.close();
    discard();
  }

  private void discard() {
    if (complete) {
      return;
    }
    try {
      Files.walkFileTree(directory, new Emptying());
    } catch (IOException e) {
      // what cannot be read cannot be removed either
    }
    made.forEach(NewDirectory::remove);
  }

  /** At the end of a process others may be removing the same. */
  private static void remove(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      // somebody else has put something there, or it may not be removed
    }
  }

  private final class Emptying extends SimpleFileVisitor<Path> {
    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
      remove(file);
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException e) {
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException e) {
      if (!visited.equals(directory)) {
        remove(visited);
      }
      return FileVisitResult.CONTINUE;
    }
  }
}
