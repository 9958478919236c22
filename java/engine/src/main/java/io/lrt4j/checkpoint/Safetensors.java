package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file, mapped into memory and checked as a whole before the first tensor is handed
 * out: header within the file, strict JSON, offsets that cover the data exactly. The file must not
 * be changed or truncated while it is open.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
public final class Safetensors implements AutoCloseable {
  private final Path file;
  private final Arena arena;
  private final Map<String, String> metadata;
  private final Map<String, StoredTensor> tensors;

  private Safetensors(
      Path file, Arena arena, Map<String, String> metadata, Map<String, StoredTensor> tensors) {
    this.file = file;
    this.arena = arena;
    this.metadata = Collections.unmodifiableMap(metadata);
    this.tensors = Collections.unmodifiableMap(tensors);
  }

  /**
   * Maps and checks a file.
   *
   * @throws CheckpointException if it cannot be read or breaks any rule of the format
   */
  @SuppressWarnings(
      "MustBeClosed") // the arena lives as long as the object, and dies if there is none
  public static Safetensors open(Path file) {
    // Before opening it: opening a named pipe would wait for a writer.
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": expected a safetensors file, found " + ModelFiles.kind(file));
    }
    Arena arena = Arena.ofShared();
    try {
      MemorySegment mapped;
      try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
        mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      }
      SafetensorsHeader header = SafetensorsHeader.parse(file, mapped);
      Map<String, StoredTensor> tensors = new LinkedHashMap<>();
      for (SafetensorsHeader.Entry e : header.tensors()) {
        MemorySegment data = mapped.asSlice(header.dataStart() + e.begin(), e.end() - e.begin());
        tensors.put(e.name(), new StoredTensor(e.name(), e.type().name(), e.shape(), data, file));
      }
      return new Safetensors(file, arena, header.metadata(), tensors);
    } catch (IOException e) {
      arena.close();
      throw new CheckpointException(file + ": cannot be mapped (" + e.getMessage() + ")", e);
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  public Path file() {
    return file;
  }

  /** The strings under {@code __metadata__}, in file order; empty without any. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** All tensors in the order of their data. */
  public Collection<StoredTensor> tensors() {
    return tensors.values();
  }

  /** The tensor of that name, or null. */
  public @Nullable StoredTensor find(String name) {
    return tensors.get(name);
  }

  /** Unmaps the file: every tensor's data is invalid from now on. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
