package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.compute.AtExit;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a file so that nobody ever sees half of it: into a temporary file beside it, forced to the
 * disk, then renamed in one step. A full disk or a killed process leaves no file of that name, or
 * the old one; one that is told to end (Ctrl-C, SIGTERM) takes the temporary file away too.
 */
final class NewFile {
  /** What fills the file. */
  @FunctionalInterface
  interface Body {
    void writeTo(FileChannel channel) throws IOException;
  }

  private NewFile() {}

  static void write(Path file, Body body) {
    Path directory = file.toAbsolutePath().getParent();
    if (directory == null) {
      throw new CheckpointException(file + ": expected a file to write, found a root directory");
    }
    // The renamed file would take its place: of /dev/null, say.
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": expected a file to write, found " + ModelFiles.kind(file));
    }
    Path temporary = directory.resolve("." + file.getFileName() + "." + UUID.randomUUID() + ".tmp");
    try (var _ = new AtExit(() -> temporary.toFile().delete())) {
      try (var channel =
          FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        body.writeTo(channel);
        channel.force(true);
      }
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      discard(temporary, e);
      String cause =
          e instanceof NoSuchFileException ? "there is no such directory" : ModelFiles.cause(e);
      throw new CheckpointException(file + ": cannot be written (" + cause + ")", e);
    } catch (Throwable e) {
      discard(temporary, e);
      throw e;
    }
  }

  /**
   * Makes a directory to write to, and those above it, where there is none.
   *
   * @throws CheckpointException if it cannot be made
   */
  static void directory(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new CheckpointException(
          directory + ": expected a directory to write to (" + ModelFiles.cause(e) + ")", e);
    }
  }

  private static void discard(Path temporary, Throwable failure) {
    try {
      Files.deleteIfExists(temporary);
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }

  static void write(Path file, String text) {
    write(file, channel -> writeAll(channel, StandardCharsets.UTF_8.encode(text), 0));
  }

  /** Writes all of {@code bytes} at a position of the file; safe from several threads at once. */
  static void writeAll(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
    while (bytes.hasRemaining()) {
      at += channel.write(bytes, at);
    }
  }
}
