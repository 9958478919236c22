package io.lrt4j;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.StoredTensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.zip.GZIPInputStream;

/** The files under {@code src/test/resources}. */
public final class Fixtures {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private Fixtures() {}

  /** A resource directory, such as {@code "conformance/qwen3-tied-bf16"}. */
  public static Path dir(String name) {
    URL url = Fixtures.class.getResource("/" + name);
    if (url == null) {
      throw new IllegalArgumentException("no test resource " + name);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(name, e);
    }
  }

  /** A JSON file, read whole; a name that ends in {@code .gz} is unpacked. */
  @SuppressWarnings("exports") // compiled into the module, never exported
  public static JsonNode json(Path file) {
    try (InputStream in = open(file)) {
      return MAPPER.readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All elements of an f32 tensor. */
  @SuppressWarnings("exports") // as above
  public static float[] floats(Safetensors file, String name) {
    StoredTensor tensor = Objects.requireNonNull(file.find(name), name);
    float[] values = new float[Math.toIntExact(tensor.elements())];
    tensor.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  /**
   * Unpacks every {@code NAME.gz} of a resource directory into {@code target} as NAME, and copies
   * the other files.
   */
  public static Path unpack(String name, Path target) {
    try (var files = Files.newDirectoryStream(dir(name))) {
      for (Path file : files) {
        String plain = file.getFileName().toString().replaceFirst("\\.gz$", "");
        try (InputStream in = open(file)) {
          Files.copy(in, target.resolve(plain));
        }
      }
      return target;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static InputStream open(Path file) throws IOException {
    InputStream in = Files.newInputStream(file);
    if (!file.toString().endsWith(".gz")) {
      return in;
    }
    try {
      return new GZIPInputStream(in);
    } catch (IOException e) {
      in.close();
      throw e;
    }
  }
}
