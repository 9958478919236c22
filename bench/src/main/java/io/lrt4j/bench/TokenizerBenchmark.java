package io.lrt4j.bench;

import io.lrt4j.text.StreamingDecoder;
import io.lrt4j.text.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.zip.GZIPInputStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Qwen3's tokenizer on a word problem of some 700 characters, and the way back token by token. */
@State(Scope.Benchmark)
public class TokenizerBenchmark {
  private static final String TEXT =
      """
      A shop sells 48 crates of apples a week, at 12.50 each, and 36 crates of pears, at 17.25. In
      the holidays it sells half as many apples but twice as many pears. 问题：假期里每周的收入是多少？
      """
          .repeat(4);

  private static final Tokenizer TOKENIZER = load();
  private static final int[] IDS = TOKENIZER.encode(TEXT);

  private static Tokenizer load() {
    try (TemporaryFolder folder = new TemporaryFolder()) {
      unpack(folder.path().resolve("tokenizer.json"));
      return Tokenizer.load(folder.path());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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
    return TOKENIZER.encode(TEXT);
  }

  /** All ids to text at once. */
  @Benchmark
  public String decode() {
    return TOKENIZER.decode(IDS, true);
  }

  /** All ids to text one by one, on the look-out for a stop string. */
  @Benchmark
  public int stream() {
    StreamingDecoder decoder = new StreamingDecoder(TOKENIZER, List.of("\n\nQuestion:"), true);
    int chars = 0;
    for (int id : IDS) {
      chars += decoder.add(id).length();
    }
    return chars + decoder.finish().length();
  }
}
