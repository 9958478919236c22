package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.compute.AtExit;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
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
  /**
   * Held while the directory is filled: another process would remove, if it failed, what is here.
   */
  static final String LOCK = ".lrt4j-lock";

  private final Path directory;
  private final List<Path> made; // the innermost first
  private final FileChannel lock;
  private final AtExit atExit;
  private volatile boolean complete;

  private NewDirectory(Path directory, List<Path> made, FileChannel lock) {
    this.directory = directory;
    this.made = made;
    this.lock = lock;
    atExit = new AtExit(this::discard);
  }

  /**
   * Makes a directory to fill, and those above it, where there is none.
   *
   * @param directory does not exist or is empty
   * @throws CheckpointException if it cannot be made, has something in it, or another process fills
   *     it
   */
  static NewDirectory at(Path directory) {
    List<Path> made = new ArrayList<>();
    for (Path p = directory.toAbsolutePath(); p != null && !Files.exists(p); p = p.getParent()) {
      made.add(p);
    }
    NewFile.directory(directory);
    requireEmpty(directory);
    Path lock = directory.resolve(LOCK);
    try {
      FileChannel held =
          FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      try {
        if (!ModelFiles.lock(held)) {
          throw new CheckpointException(
              directory + ": expected a directory of its own, found another process writing to it");
        }
        try {
          requireEmpty(directory); // another may have filled it meanwhile
        } catch (CheckpointException e) {
          remove(lock);
          throw e;
        }
        return new NewDirectory(directory.toRealPath(), made, held); // it may be a link
      } catch (IOException | RuntimeException e) {
        held.close();
        throw e;
      }
    } catch (IOException e) {
      throw new CheckpointException(
          directory + ": cannot be written (" + ModelFiles.cause(e) + ")", e);
    }
  }

  private static void requireEmpty(Path directory) {
    try (var files = Files.list(directory)) {
      if (files.anyMatch(file -> !file.endsWith(LOCK))) { // what was killed has left it
        throw new CheckpointException(
            directory + ": expected an empty directory to write to, found files in it");
      }
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
    if (complete) {
      remove(directory.resolve(LOCK));
    } else {
      discard();
    }
    try {
      lock.close();
    } catch (IOException e) {
      // nothing was written to it
    }
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
