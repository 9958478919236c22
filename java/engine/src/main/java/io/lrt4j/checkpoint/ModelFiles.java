package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/**
 * The files of one model directory: the one way to all of them, weights, configs, tokenizer and
 * templates. A name is a plain file name; what it resolves to is a regular file (never a named pipe
 * or a device, which may block) inside the directory. The Hugging Face hub cache keeps {@code
 * snapshots/REVISION/…} as symbolic links into {@code blobs/} of the same repository; those are
 * followed from any depth. Other links out of the directory are followed on request only: a
 * directory that came from somewhere else must not make a process read what lies elsewhere.
 */
public final class ModelFiles {
  private static final byte[] LFS_POINTER =
      "version https://git-lfs.github.com/spec/".getBytes(StandardCharsets.US_ASCII);

  private static final String BYTE_ORDER_MARK = "\uFEFF";

  private final Path directory;
  private final Path real;
  private final boolean outsideLinks;

  private ModelFiles(Path directory, Path real, boolean outsideLinks) {
    this.directory = directory;
    this.real = real;
    this.outsideLinks = outsideLinks;
  }

  /** The files of a directory, links out of it refused. */
  public static ModelFiles of(Path directory) {
    return of(directory, false);
  }

  /**
   * The files of a directory.
   *
   * @param outsideLinks whether symbolic links may lead out of it
   * @throws CheckpointException if it is no directory
   */
  public static ModelFiles of(Path directory, boolean outsideLinks) {
    if (!Files.isDirectory(directory)) {
      throw new CheckpointException(
          directory + ": expected a model directory, found " + kind(directory));
    }
    try {
      return new ModelFiles(directory, directory.toRealPath(), outsideLinks);
    } catch (IOException e) {
      throw unreadable(directory, e);
    }
  }

  public Path directory() {
    return directory;
  }

  /** A file that must be there. */
  public Path require(String name) {
    Path file = find(name);
    if (file == null) {
      throw new CheckpointException(
          directory
              + ": expected a file "
              + Json.quote(name)
              + " in the directory, found none"
              + ForeignFormats.hint(this));
    }
    return file;
  }

  /** A file that may be there, or null. */
  public @Nullable Path find(String name) {
    return find(name, directory);
  }

  /** A file that {@code namedBy} names, or null. */
  @Nullable Path find(String name, Path namedBy) {
    Path file = directory.resolve(plain(name, namedBy));
    return Files.exists(file, LinkOption.NOFOLLOW_LINKS) ? checked(file) : null;
  }

  /** The files of a subdirectory whose names end in {@code suffix}, sorted; none without it. */
  public List<Path> list(String subdirectory, String suffix) {
    Path within = directory.resolve(plain(subdirectory, directory));
    if (!Files.isDirectory(within)) {
      return List.of();
    }
    List<Path> all = new ArrayList<>();
    try (var entries = Files.newDirectoryStream(within, "*" + suffix)) {
      entries.forEach(all::add);
    } catch (IOException e) {
      throw unreadable(within, e);
    } catch (DirectoryIteratorException e) {
      throw unreadable(within, new IOException(e));
    }
    return all.stream().sorted().map(this::checked).toList();
  }

  private Path checked(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(file + ": expected a regular file, found " + kind(file));
    }
    try {
      Path target = file.toRealPath();
      if (!outsideLinks && !target.startsWith(real) && !inSameHubCache(target)) {
        throw new CheckpointException(
            file
                + ": expected a file inside its directory (or inside blobs/ of the same hub cache),"
                + " found a symbolic link to "
                + target
                + "; EngineOptions.withOutsideLinks(true), or --outside-links, follows it");
      }
      try (InputStream in = Files.newInputStream(file)) {
        if (Arrays.equals(in.readNBytes(LFS_POINTER.length), LFS_POINTER)) {
          throw new CheckpointException(
              file
                  + ": expected the file itself, found a Git LFS pointer to it; fetch it with git"
                  + " lfs pull, or download it again");
        }
      }
      return file;
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /** Whether the target lies in {@code blobs/} of the repository whose snapshot this is within. */
  private boolean inSameHubCache(Path target) {
    for (Path at = real; at != null; at = at.getParent()) {
      if (at.endsWith("snapshots")) {
        return !at.equals(real) && target.startsWith(at.resolveSibling("blobs"));
      }
    }
    return false;
  }

  /**
   * The content of a checked file.
   *
   * @param limit most bytes that are read
   * @throws CheckpointException if it is larger or cannot be read
   */
  static byte[] bytes(Path file, int limit) {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(limit + 1);
      if (bytes.length > limit) {
        throw new CheckpointException(file + ": expected at most " + limit + " bytes, found more");
      }
      return bytes;
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * The text of a file of these, without the byte order mark that some editors begin it with.
   *
   * @param limit most bytes that are read
   * @throws CheckpointException if it is larger, is no UTF-8, or cannot be read
   */
  public static String text(Path file, int limit) {
    try {
      String text =
          StandardCharsets.UTF_8
              .newDecoder()
              .decode(ByteBuffer.wrap(bytes(file, limit)))
              .toString();
      return text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw new CheckpointException(
          file + ": expected UTF-8, it is not UTF-8: found a malformed sequence", e);
    }
  }

  /**
   * The sentence for a file or directory that cannot be read, with the cause; of an interrupt,
   * which closes what is being read, that it was one: the file is sound.
   */
  static RuntimeException unreadable(Path file, IOException e) {
    if (e instanceof ClosedByInterruptException) {
      var interrupted = new CancellationException("reading " + file + " was interrupted");
      interrupted.initCause(e);
      return interrupted;
    }
    return new CheckpointException(file + ": cannot be read (" + cause(e) + ")", e);
  }

  /**
   * Whether nobody else holds a file that is being written; then nobody else will until the channel
   * is closed. Where the file system has no locks, nobody is known to.
   */
  public static boolean lock(FileChannel channel) {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) { // held by this process
      return false;
    } catch (IOException e) {
      return true;
    }
  }

  /**
   * Why input or output failed, in words; for some causes the Java library's message is the file's
   * name alone.
   */
  public static String cause(IOException e) {
    return switch (e) {
      case AccessDeniedException a -> "permission denied";
      case NoSuchFileException n -> "there is no such file";
      case FileAlreadyExistsException f -> "there is a file of that name";
      case CharacterCodingException c -> "it is not UTF-8";
      case FileSystemException f when f.getReason() != null -> Json.brief(f.getReason());
      default -> Json.brief(e.getMessage() == null ? e.toString() : e.getMessage());
    };
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
