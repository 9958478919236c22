package io.lrt4j.cli;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The largest memory that the process has occupied in parts of its work, where Linux tells it; kept
 * in a file, since work that is resumed is not measured again.
 */
final class PeakMemory {
  private static final JsonMapper MAPPER = new JsonMapper();
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path RESET = Path.of("/proc/self/clear_refs");
  private static final String PEAK = "VmHWM:";

  private final Path file;
  private final Map<String, Double> mebibytes = new LinkedHashMap<>();

  /** What {@code file} tells of an earlier part, if it is there. */
  PeakMemory(Path file) {
    this.file = file;
    try {
      if (Files.exists(file)) {
        mebibytes.putAll(MAPPER.readValue(file.toFile(), new TypeReference<>() {}));
      }
    } catch (IOException e) {
      // half written, or not ours: those figures are left out
    }
  }

  /** Begins a part; false where nothing can be measured. */
  static boolean reset() {
    try {
      Files.writeString(RESET, "5"); // proc(5): the peak is what is occupied now
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Ends it. */
  void note(String part) {
    try {
      for (String line : Files.readString(STATUS, StandardCharsets.UTF_8).split("\n", -1)) {
        if (line.startsWith(PEAK)) {
          mebibytes.put(part, Double.parseDouble(line.replaceAll("\\D", "")) / 1024);
        }
      }
      MAPPER.writeValue(file.toFile(), mebibytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** By part; empty where nothing could be measured. */
  Map<String, Double> mebibytes() {
    return mebibytes;
  }
}
