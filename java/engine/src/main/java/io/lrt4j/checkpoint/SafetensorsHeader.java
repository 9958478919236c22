package io.lrt4j.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.lrt4j.CheckpointException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The header of a safetensors file, parsed and held to every rule of the format: 8 bytes of length,
 * little-endian, then that many bytes of JSON, then the data, which the tensors cover without holes
 * or overlaps.
 *
 * @param metadata the free-form strings under {@code __metadata__}
 * @param tensors in the order of their data
 * @param dataStart where the data begins in the file
 */
record SafetensorsHeader(Map<String, String> metadata, List<Entry> tensors, long dataStart) {
  /** The format's own limit. */
  static final long MAX_HEADER_BYTES = 100_000_000;

  private static final int MAX_TENSORS = 1 << 16;
  private static final int MAX_METADATA = 1 << 16;
  private static final int MAX_RANK = 64;

  /** One tensor; {@code begin} and {@code end} count from the start of the data. */
  record Entry(String name, StoredType type, List<Long> shape, long begin, long end) {}

  /**
   * Parses and checks the header of an open file.
   *
   * @throws IOException if the file cannot be read
   */
  static SafetensorsHeader parse(Path file, FileChannel channel) throws IOException {
    return new Parser(file, channel, channel.size()).parse();
  }

  private static final class Parser {
    private final Path file;
    private final FileChannel channel;
    private final long size;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final List<Entry> tensors = new ArrayList<>();

    Parser(Path file, FileChannel channel, long size) {
      this.file = file;
      this.channel = channel;
      this.size = size;
    }

    SafetensorsHeader parse() throws IOException {
      long available = size - Long.BYTES;
      if (available < 0) {
        throw bad("expected at least 8 bytes of header length, found " + size);
      }
      byte[] start = new byte[(int) Math.min(size, Long.BYTES + 1)];
      new Region(channel, 0, start.length).readNBytes(start, 0, start.length);
      long length = ByteBuffer.wrap(start).order(ByteOrder.LITTLE_ENDIAN).getLong();
      if (length < 2 || length > MAX_HEADER_BYTES) {
        throw bad(
            "expected a header of 2 to "
                + MAX_HEADER_BYTES
                + " bytes, found a length of "
                + Long.toUnsignedString(length));
      }
      if (length > available) {
        throw bad(
            "the header claims " + length + " bytes, but the file has " + available + " after it");
      }
      if (start[Long.BYTES] != '{') {
        throw bad("expected a header that begins with {, found another character");
      }
      var json = new Region(channel, Long.BYTES, length);
      try (JsonParser p = Json.factory().createParser(Json.strictUtf8(json))) {
        root(p);
      } catch (ClosedByInterruptException e) {
        throw e;
      } catch (IOException e) {
        throw Json.unreadable(file, "header: ", e);
      }
      long dataStart = Long.BYTES + length;
      cover(size - dataStart);
      return new SafetensorsHeader(metadata, tensors, dataStart);
    }

    private void root(JsonParser p) throws IOException {
      p.nextToken();
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String name = p.currentName();
        if (p.nextToken() != JsonToken.START_OBJECT) {
          throw bad(Json.quote(name) + " must be an object, found " + found(p));
        }
        if (name.equals("__metadata__")) {
          metadata(p);
        } else {
          tensor(p, name);
        }
      }
      if (p.nextToken() != null) {
        throw bad("expected nothing but spaces after the header's JSON, found " + found(p));
      }
    }

    private void metadata(JsonParser p) throws IOException {
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String key = p.currentName();
        if (p.nextToken() != JsonToken.VALUE_STRING) {
          throw bad(Json.quote("__metadata__." + key) + " must be a string, found " + found(p));
        }
        if (metadata.size() == MAX_METADATA) {
          throw bad("expected at most " + MAX_METADATA + " strings of metadata, found more");
        }
        metadata.put(key, p.getText());
      }
    }

    private void tensor(JsonParser p, String name) throws IOException {
      if (name.isEmpty() || !wellFormed(name)) {
        throw bad("expected tensor names of whole characters, found " + Json.quote(name));
      }
      if (tensors.size() == MAX_TENSORS) {
        throw bad("expected at most " + MAX_TENSORS + " tensors, found more");
      }
      StoredType type = null;
      List<Long> shape = null;
      List<Long> offsets = null;
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String key = p.currentName();
        p.nextToken();
        switch (key) {
          case "dtype" -> type = type(p, name);
          case "shape" -> shape = naturals(p, name, key, MAX_RANK);
          case "data_offsets" -> offsets = naturals(p, name, key, 2);
          default -> throw bad(name, "has an unknown key " + Json.quote(key));
        }
      }
      tensors.add(entry(name, type, shape, offsets));
    }

    private StoredType type(JsonParser p, String name) throws IOException {
      if (p.currentToken() != JsonToken.VALUE_STRING) {
        throw bad(name, "\"dtype\" must be a string, found " + found(p));
      }
      StoredType type = StoredType.named(p.getText());
      if (type == null) {
        throw bad(name, "has an unknown dtype " + Json.quote(p.getText()));
      }
      return type;
    }

    /** A list of integers from 0 up, never through a double. */
    private List<Long> naturals(JsonParser p, String name, String key, int most)
        throws IOException {
      if (p.currentToken() != JsonToken.START_ARRAY) {
        throw bad(name, Json.quote(key) + " must be a list of integers, found " + found(p));
      }
      List<Long> all = new ArrayList<>();
      while (p.nextToken() != JsonToken.END_ARRAY) {
        if (p.currentToken() != JsonToken.VALUE_NUMBER_INT
            || p.getNumberType() == JsonParser.NumberType.BIG_INTEGER
            || p.getLongValue() < 0) {
          throw bad(
              name,
              Json.quote(key)
                  + " must hold integers from 0 to "
                  + Long.MAX_VALUE
                  + ", found "
                  + found(p));
        }
        if (all.size() == most) {
          throw bad(name, Json.quote(key) + " must hold at most " + most + " integers");
        }
        all.add(p.getLongValue());
      }
      return all;
    }

    private Entry entry(
        String name,
        @Nullable StoredType type,
        @Nullable List<Long> shape,
        @Nullable List<Long> offsets) {
      if (type == null || shape == null || offsets == null) {
        String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
        throw bad(name, "has no " + Json.quote(missing));
      }
      if (offsets.size() != 2) {
        throw bad(name, "\"data_offsets\" must hold 2 integers, found " + offsets.size());
      }
      long bytes = bytes(name, type, shape);
      long begin = offsets.get(0);
      long end = offsets.get(1);
      // Both are at least 0, so their difference cannot overflow.
      if (end - begin != bytes) {
        throw bad(
            name,
            type + shape.toString() + " takes " + bytes + " bytes, but its offsets are " + offsets);
      }
      return new Entry(name, type, List.copyOf(shape), begin, end);
    }

    private long bytes(String name, StoredType type, List<Long> shape) {
      try {
        long bits = type.bits();
        for (long dimension : shape) {
          bits = Math.multiplyExact(bits, dimension);
        }
        if (bits % Byte.SIZE != 0) {
          throw bad(name, type + shape.toString() + " does not fill whole bytes");
        }
        return bits / Byte.SIZE;
      } catch (ArithmeticException e) {
        throw new CheckpointException(
            sentence(name, "the size of " + type + Json.brief(shape.toString()) + " overflows"), e);
      }
    }

    /** The tensors, in order of their offsets, cover the data exactly. */
    private void cover(long dataBytes) {
      tensors.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
      long at = 0;
      for (Entry e : tensors) {
        if (e.begin() != at) {
          throw bad(
              e.name(),
              e.begin() < at
                  ? "begins at " + e.begin() + " and overlaps the one that ends at " + at
                  : "begins at " + e.begin() + " and leaves a hole after " + at);
        }
        at = e.end();
        if (at > dataBytes) {
          throw bad(
              e.name(),
              "ends at " + at + ", but the file has " + dataBytes + " bytes of data; truncated?");
        }
      }
      if (at != dataBytes) {
        throw bad(
            "the tensors end at " + at + ", but the file has " + dataBytes + " bytes of data");
      }
    }

    private static boolean wellFormed(String name) {
      return name.codePoints()
          .noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    private static String found(JsonParser p) throws IOException {
      JsonToken token = p.currentToken();
      return switch (token) {
        case null -> "the end";
        case START_OBJECT -> "an object";
        case START_ARRAY -> "a list";
        case VALUE_STRING -> Json.quote(p.getText());
        default -> Json.brief(p.getText());
      };
    }

    private CheckpointException bad(String what) {
      return new CheckpointException(file + ": " + what);
    }

    private CheckpointException bad(String tensor, String what) {
      return new CheckpointException(sentence(tensor, what));
    }

    private String sentence(String tensor, String what) {
      return file + ": tensor " + Json.quote(tensor) + ": " + what;
    }
  }

  /** Streams a part of a file, so that a large header is never copied to the heap as a whole. */
  private static final class Region extends InputStream {
    private final FileChannel channel;
    private final long end;
    private long at;

    Region(FileChannel channel, long start, long length) {
      this.channel = channel;
      at = start;
      end = start + length;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
      if (length == 0) {
        return 0;
      }
      int most = (int) Math.min(length, end - at);
      int n = most == 0 ? -1 : channel.read(ByteBuffer.wrap(into, offset, most), at);
      at += Math.max(n, 0);
      return n;
    }
  }
}
