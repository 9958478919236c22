package io.lrt4j.checkpoint;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.CheckpointException;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Writes safetensors files. Tensors are streamed in chunks by a few threads, so that the heap never
 * holds more than a chunk per thread however large the file; the data begins at a multiple of 64
 * bytes and each tensor follows the one before without a gap, as the format wants it. The file
 * appears under its name only when it is complete and on the disk.
 */
public final class SafetensorsWriter {
  private static final int ALIGNMENT = 64;

  /** Bytes of one chunk; a multiple of every element size. */
  static final int CHUNK_BYTES = 4 << 20;

  private static final JsonMapper MAPPER = new JsonMapper();

  private SafetensorsWriter() {}

  /** Gives a tensor's bytes, piece by piece, in any order and from several threads at once. */
  @FunctionalInterface
  public interface Filler {
    /**
     * Fills {@code chunk} with the tensor's bytes from {@code offset} on, little-endian. Offset and
     * size are multiples of the element size; offsets are multiples of 4 MiB.
     */
    void fill(long offset, MemorySegment chunk);
  }

  /**
   * One tensor to write.
   *
   * @param name its name
   * @param type element type, as the format spells it
   * @param shape dimensions; empty for a scalar
   * @param data gives its bytes
   */
  public record Entry(String name, String type, List<Long> shape, Filler data) {
    public Entry {
      shape = List.copyOf(shape);
    }

    /** A tensor of a type that is computed with. */
    public Entry(String name, DType dtype, List<Long> shape, Filler data) {
      this(name, dtype.name(), shape, data);
    }

    /** A tensor whose bytes are at hand; there must be exactly as many as the shape says. */
    public static Entry of(String name, DType dtype, List<Long> shape, MemorySegment bytes) {
      return of(name, dtype.name(), shape, bytes);
    }

    /** The same, of any type of the format. */
    static Entry of(String name, String type, List<Long> shape, MemorySegment bytes) {
      Entry entry =
          new Entry(
              name,
              type,
              shape,
              (offset, chunk) -> chunk.copyFrom(bytes.asSlice(offset, chunk.byteSize())));
      if (entry.bytes() != bytes.byteSize()) {
        throw new IllegalArgumentException(
            name + ": expected " + entry.bytes() + " bytes, found " + bytes.byteSize());
      }
      return entry;
    }

    /** A vector or matrix of floats. */
    public static Entry of(String name, List<Long> shape, float[] values) {
      ByteBuffer bytes =
          ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
              .order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(values);
      return of(name, DType.F32, shape, MemorySegment.ofBuffer(bytes));
    }

    /** Size in bytes. */
    public long bytes() {
      StoredType stored = Objects.requireNonNull(StoredType.named(type), type);
      return TensorLayout.elements(shape) * stored.bits() / Byte.SIZE;
    }
  }

  /**
   * Writes a file, replacing one of that name.
   *
   * @param metadata goes to {@code __metadata__}; {@code format: pt} is what transformers wants
   * @throws CheckpointException if the file cannot be written; there is none then
   */
  public static void write(Path file, Map<String, String> metadata, List<Entry> entries) {
    byte[] header = header(metadata, entries);
    NewFile.write(
        file,
        channel -> {
          NewFile.writeAll(channel, ByteBuffer.wrap(header), 0);
          writeChunks(channel, chunks(entries, header.length));
        });
  }

  /** The length, the JSON, and spaces up to the alignment. */
  private static byte[] header(Map<String, String> metadata, List<Entry> entries) {
    ObjectNode root = MAPPER.createObjectNode();
    if (!metadata.isEmpty()) {
      metadata.forEach(root.putObject("__metadata__")::put);
    }
    var names = new HashSet<String>();
    long at = 0;
    for (Entry e : entries) {
      if (!names.add(e.name()) || e.name().equals("__metadata__")) {
        throw new IllegalArgumentException("a second tensor of the name " + e.name());
      }
      ObjectNode tensor = root.putObject(e.name()).put("dtype", e.type());
      e.shape().forEach(tensor.putArray("shape")::add);
      long end = Math.addExact(at, e.bytes());
      tensor.putArray("data_offsets").add(at).add(end);
      at = end;
    }
    byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
    int size = Math.ceilDiv(Long.BYTES + json.length, ALIGNMENT) * ALIGNMENT;
    byte[] header = new byte[size];
    Arrays.fill(header, (byte) ' ');
    ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(size - Long.BYTES).put(json);
    return header;
  }

  private record Chunk(Entry entry, long offset, int bytes, long position) {}

  private static List<Chunk> chunks(List<Entry> entries, long dataStart) {
    List<Chunk> chunks = new ArrayList<>();
    long at = dataStart;
    for (Entry e : entries) {
      for (long offset = 0; offset < e.bytes(); offset += CHUNK_BYTES) {
        int bytes = (int) Math.min(CHUNK_BYTES, e.bytes() - offset);
        chunks.add(new Chunk(e, offset, bytes, at + offset));
      }
      at += e.bytes();
    }
    return chunks;
  }

  private static void writeChunks(FileChannel channel, List<Chunk> chunks) throws IOException {
    var next = new AtomicInteger();
    int workers =
        Math.min(Runtime.getRuntime().availableProcessors(), Math.ceilDiv(chunks.size(), 8));
    if (workers <= 1) {
      drain(channel, chunks, next);
      return;
    }
    try (var pool = Executors.newFixedThreadPool(workers)) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < workers; i++) {
        running.add(
            pool.submit(
                () -> {
                  try {
                    drain(channel, chunks, next);
                  } finally {
                    // One that failed must stop the others: their work would be for nothing.
                    next.set(chunks.size());
                  }
                  return null;
                }));
      }
      for (Future<?> worker : running) {
        worker.get();
      }
    } catch (InterruptedException e) {
      next.set(chunks.size());
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case IOException cause -> throw cause;
        case RuntimeException cause -> throw cause;
        case null, default -> throw new IOException(e.getCause());
      }
    }
  }

  /** Fills and writes chunks until there are none left. */
  private static void drain(FileChannel channel, List<Chunk> chunks, AtomicInteger next)
      throws IOException {
    try (var arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(CHUNK_BYTES, ALIGNMENT);
      for (int i; (i = next.getAndIncrement()) < chunks.size(); ) {
        Chunk c = chunks.get(i);
        MemorySegment part = buffer.asSlice(0, c.bytes);
        c.entry.data().fill(c.offset, part);
        NewFile.writeAll(channel, part.asByteBuffer(), c.position);
      }
    }
  }
}
