package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.compute.SystemMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file, checked as a whole before the first tensor is handed out: header within the
 * file, strict JSON, offsets that cover the data exactly.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
public final class Safetensors implements AutoCloseable {
  /** Most bytes that are read at once; the Java library reads through buffers of an int's size. */
  private static final long CHUNK = 64L << 20;

  private static final int CACHE_LINE = 64;

  private final Path file;
  private final Arena arena;
  private final FileChannel channel;
  private final SafetensorsHeader header;
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
  private final Set<String> unread = new HashSet<>(); // placed, but empty
  private MemorySegment room = MemorySegment.NULL; // of all placed tensors

  private Safetensors(Path file, Arena arena, FileChannel channel, SafetensorsHeader header) {
    this.file = file;
    this.arena = arena;
    this.channel = channel;
    this.header = header;
  }

  /**
   * Checks and maps a file, which must not be changed while it is open.
   *
   * @throws CheckpointException if it cannot be read or breaks any rule of the format
   */
  public static Safetensors open(Path file) {
    Safetensors opened = check(file);
    try {
      opened.place(Access.MAP, name -> true);
      return opened;
    } catch (Throwable e) {
      opened.close();
      throw e;
    }
  }

  /** Checks a file; it has no tensors before they are placed. */
  @SuppressWarnings("MustBeClosed") // both live as long as the object, and die if there is none
  static Safetensors check(Path file) {
    // Before opening it: opening a named pipe would wait for a writer.
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": expected a safetensors file, found " + ModelFiles.kind(file));
    }
    FileChannel channel = null;
    try {
      channel = FileChannel.open(file, StandardOpenOption.READ);
      SafetensorsHeader header = SafetensorsHeader.parse(file, channel);
      return new Safetensors(file, Arena.ofShared(), channel, header);
    } catch (IOException e) {
      close(channel);
      throw ModelFiles.unreadable(file, e);
    } catch (Throwable e) {
      close(channel);
      throw e;
    }
  }

  private static void close(@Nullable FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        // nothing was written through it: nothing is lost
      }
    }
  }

  /**
   * Makes room for the tensors whose names are wanted: they, and no others, are this file's tensors
   * from now on. Those that are not mapped have to be {@linkplain #fill filled}; memory is taken
   * only then.
   */
  void place(Access access, Predicate<String> wanted) {
    List<SafetensorsHeader.Entry> all =
        header.tensors().stream().filter(e -> wanted.test(e.name())).toList();
    long data = header.dataStart();
    long end = all.isEmpty() ? 0 : all.getLast().end(); // they are sorted
    try {
      MemorySegment from =
          access == Access.MAP ? map(data, end) : SystemMemory.allocate(end, CACHE_LINE, arena);
      for (SafetensorsHeader.Entry e : all) {
        MemorySegment bytes = from.asSlice(e.begin(), e.end() - e.begin()).asReadOnly();
        tensors.put(e.name(), new StoredTensor(e.name(), e.type().name(), e.shape(), bytes, file));
        if (access == Access.READ) {
          unread.add(e.name());
        }
      }
      room = from;
    } catch (IOException e) {
      throw ModelFiles.unreadable(file, e);
    } catch (OutOfMemoryError e) {
      throw new CheckpointException(
          file
              + ": no memory for the "
              + end
              + " bytes of its tensors ("
              + e.getMessage()
              + "); mapped weights would need none of their own",
          e);
    }
  }

  private MemorySegment map(long data, long end) throws IOException {
    if (data + end > channel.size()) {
      throw changed();
    }
    return channel.map(FileChannel.MapMode.READ_ONLY, 0, data + end, arena).asSlice(data);
  }

  /**
   * Reads a placed tensor into its room, if that is still to be done. Tensors lie as they do in the
   * file, so that each begins at a cache line if it does there.
   *
   * @param moved told how many bytes have been read
   */
  void fill(SafetensorsHeader.Entry e, LongConsumer moved) {
    if (unread.remove(e.name())) {
      read(e, room.asSlice(e.begin(), e.end() - e.begin()), moved);
    }
  }

  /** Reads a tensor to where the caller wants it; its own room stays as it is. */
  void read(SafetensorsHeader.Entry e, MemorySegment to, LongConsumer moved) {
    try {
      for (long at = 0; at < to.byteSize(); ) {
        long most = Math.min(CHUNK, to.byteSize() - at);
        long from = header.dataStart() + e.begin() + at;
        int n = channel.read(to.asSlice(at, most).asByteBuffer(), from);
        if (n < 0) {
          throw changed();
        }
        at += n;
        moved.accept(n);
      }
    } catch (IOException failure) {
      throw ModelFiles.unreadable(file, failure);
    }
  }

  /** Closes the file: nothing is read from it any more. */
  void closeFile() {
    close(channel);
  }

  private CheckpointException changed() {
    return new CheckpointException(file + ": became shorter while it was read");
  }

  public Path file() {
    return file;
  }

  /** The strings under {@code __metadata__}, in file order; empty without any. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(header.metadata());
  }

  /** All tensors in the order of their data. */
  public Collection<StoredTensor> tensors() {
    return Collections.unmodifiableCollection(tensors.values());
  }

  /** The tensor of that name, or null. */
  public @Nullable StoredTensor find(String name) {
    return tensors.get(name);
  }

  /** Every tensor that the file has, placed or not, in the order of their data. */
  List<SafetensorsHeader.Entry> entries() {
    return header.tensors();
  }

  /** Frees memory or mapping: every tensor's data is invalid from now on. */
  @Override
  public void close() {
    close(channel);
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
