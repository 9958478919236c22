package io.lrt4j.evaluation.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSONL files, as other programs write them. */
public final class JsonLines {
  private static final int BYTE_ORDER_MARK = 0xFEFF;

  private JsonLines() {}

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
