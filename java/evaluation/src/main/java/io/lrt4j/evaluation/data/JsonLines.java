package io.lrt4j.evaluation.data;

import io.lrt4j.checkpoint.ModelFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSONL files, as other programs write them. */
public final class JsonLines {
  private static final int BYTE_ORDER_MARK = 0xFEFF;

  private JsonLines() {}

  /** What becomes of a line. */
  @FunctionalInterface
  public interface Line {
    /** Takes line {@code number}, counted from 1. */
    void take(int number, String line);
  }

  /**
   * Goes through the lines of a file; empty ones are passed over.
   *
   * @throws IOException if it cannot be read as text, with a message that says where and why
   */
  public static void each(Path file, Line line) throws IOException {
    int number = 0;
    try (BufferedReader lines = open(file)) {
      for (String next; (next = lines.readLine()) != null; ) {
        number++;
        if (!next.isBlank()) {
          line.take(number, next);
        }
      }
    } catch (IOException e) {
      throw new IOException(
          file
              + ": expected a JSONL file in UTF-8 that can be read, after line "
              + number
              + ": "
              + ModelFiles.cause(e),
          e);
    }
  }

  /** Reads lines of UTF-8, a byte order mark before the first of them passed over. */
  public static BufferedReader open(Path file) throws IOException {
    BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.UTF_8);
    try {
      lines.mark(1);
      if (lines.read() != BYTE_ORDER_MARK) {
        lines.reset();
      }
      return lines;
    } catch (IOException e) {
      lines.close();
      throw e;
    }
  }
}
