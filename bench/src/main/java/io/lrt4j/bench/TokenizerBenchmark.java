package io.lrt4j.bench;

import io.lrt4j.text.StreamingDecoder;
import io.lrt4j.text.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Qwen3's tokenizer on a word problem of some 700 characters, and the way back token by token. */
@State(Scope.Benchmark)
public class TokenizerBenchmark {
  private static final String TEXT =
      """
      A shop sells 48 crates of apples a week, at 12.50 each, and 36 crates of pears, at 17.25. In
      the holidays it sells half as many apples but twice as many pears. 问题：假期里每周的收入是多少？
      """
          .repeat(4);

  private @Nullable Tokenizer tokenizer;
  private int[] ids = {};

  /** Loads the tokenizer. */
  @Setup(Level.Trial)
  public void open() throws IOException {
    try (TemporaryFolder folder = new TemporaryFolder()) {
      unpack(folder.path().resolve("tokenizer.json"));
      tokenizer = Tokenizer.load(folder.path());
    }
    ids = tokenizer.encode(TEXT);
  }

  private static void unpack(Path file) throws IOException {
    try (InputStream packed =
            Objects.requireNonNull(
                TokenizerBenchmark.class.getResourceAsStream("qwen3/tokenizer.json.gz"));
        InputStream in = new GZIPInputStream(packed)) {
      Files.copy(in, file);
    }
  }

  /** The whole text to ids. */
  @Benchmark
  public int[] encode() {
    return tokenizer().encode(TEXT);
  }

  /** All ids to text at once. */
  @Benchmark
  public String decode() {
    return tokenizer().decode(ids, true);
  }

  /** All ids to text one by one, on the look-out for a stop string. */
  @Benchmark
  public int stream() {
    StreamingDecoder decoder = new StreamingDecoder(tokenizer(), List.of("\n\nQuestion:"), true);
    int chars = 0;
    for (int id : ids) {
      chars += decoder.add(id).length();
    }
    return chars + decoder.finish().length();
  }

  /** Frees it. */
  @TearDown(Level.Trial)
  public void close() {
    tokenizer().close();
  }

  private Tokenizer tokenizer() {
    return Objects.requireNonNull(tokenizer);
  }
}
