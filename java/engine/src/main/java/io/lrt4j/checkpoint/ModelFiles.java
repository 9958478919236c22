package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The files of one model directory, and nothing outside it: a name is a plain file name, and what
 * it resolves to is a regular file inside the directory. One exception: the Hugging Face hub cache
 * keeps {@code snapshots/REVISION/*} as symbolic links into {@code blobs/} of the same repository.
 */
final class ModelFiles {
  private final Path directory;
  private final Path real;

  private ModelFiles(Path directory, Path real) {
    this.directory = directory;
    this.real = real;
  }

  static ModelFiles of(Path directory) {
    if (!Files.isDirectory(directory)) {
      throw new CheckpointException(
          directory + ": expected a model directory, found " + kind(directory));
    }
    try {
      return new ModelFiles(directory, directory.toRealPath());
    } catch (IOException e) {
      throw new CheckpointException(directory + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  Path directory() {
    return directory;
  }

  /** A file that must be there. */
  Path require(String name) {
    return require(name, directory);
  }

  /** A file that must be there because {@code namedBy} names it. */
  Path require(String name, Path namedBy) {
    Path file = find(name, namedBy);
    if (file == null) {
      throw new CheckpointException(
          namedBy + ": expected a file " + Json.quote(name) + " in the directory, found none");
    }
    return file;
  }

  /** A file that may be there, or null. */
  @Nullable Path find(String name) {
    return find(name, directory);
  }

  private @Nullable Path find(String name, Path namedBy) {
    Path file = directory.resolve(plain(name, namedBy));
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      return null;
    }
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(file + ": expected a regular file, found " + kind(file));
    }
    try {
      Path target = file.toRealPath();
      if (!target.startsWith(real) && !inSameHubCache(target)) {
        throw new CheckpointException(
            file
                + ": expected a file inside its directory (or inside blobs/ of the same hub cache),"
                + " found a symbolic link to "
                + target);
      }
      return file;
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  private boolean inSameHubCache(Path target) {
    Path snapshots = real.getParent();
    if (snapshots == null || !snapshots.endsWith("snapshots") || snapshots.getParent() == null) {
      return false;
    }
    return snapshots.resolveSibling("blobs").equals(target.getParent());
  }

  private static Path plain(String name, Path namedBy) {
    try {
      Path path = Path.of(name);
      boolean plain =
          path.getNameCount() == 1
              && !path.isAbsolute()
              && path.toString().equals(name)
              && name.indexOf('\\') < 0
              && name.indexOf('/') < 0
              && name.indexOf(':') < 0
              && !name.isEmpty()
              && !name.equals(".")
              && !name.equals("..");
      if (plain) {
        return path;
      }
      throw notPlain(name, namedBy, null);
    } catch (InvalidPathException e) {
      throw notPlain(name, namedBy, e);
    }
  }

  private static CheckpointException notPlain(
      String name, Path namedBy, @Nullable Exception cause) {
    String message =
        namedBy + ": expected plain file names inside the directory, found " + Json.quote(name);
    return cause == null
        ? new CheckpointException(message)
        : new CheckpointException(message, cause);
  }

  /** What is there instead of the expected file or directory, in words. */
  static String kind(Path path) {
    if (Files.isDirectory(path)) {
      return "a directory";
    }
    if (Files.isRegularFile(path)) {
      return "a file";
    }
    if (Files.exists(path)) {
      return "something that is not a file";
    }
    return Files.isSymbolicLink(path) ? "a broken or circular symbolic link" : "nothing";
  }
}
