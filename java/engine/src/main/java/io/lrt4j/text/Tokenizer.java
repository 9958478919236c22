package io.lrt4j.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.lrt4j.TokenizerException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.checkpoint.ModelFiles;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Text to token ids and back, as a checkpoint's {@code tokenizer.json} says: byte for byte what
 * {@code tok(text, add_special_tokens=False)} and {@code tok.decode(ids)} of transformers 5 give.
 * Nothing is truncated, padded or cleaned up, whatever the files ask for.
 *
 * <p>Threads may share one. Closing waits for running calls; later ones throw {@link
 * IllegalStateException}.
 */
public final class Tokenizer implements AutoCloseable {
  /**
   * The longest text, in chars, that is encoded at once: the native library ends the process when a
   * splitting pattern goes back ten million times, see {@link SplitPattern}.
   */
  public static final int MAX_CHARS = 1_000_000;

  private final TokenizersLibrary library;
  private final Map<String, Integer> ids;
  private final @Nullable String[] tokens; // by id
  private final BitSet special;
  private final Supplier<Detokenizer> detokenizers;
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private long handle; // 0 once closed

  private Tokenizer(TokenizersLibrary library, TokenizerFile.Parts parts, long handle) {
    this.library = library;
    this.ids = parts.ids();
    this.tokens = byId(parts.ids());
    this.special = parts.special();
    this.detokenizers = parts.detokenizers();
    this.handle = handle;
  }

  /**
   * Loads {@code tokenizer.json} from a checkpoint's directory, and from {@code
   * tokenizer_config.json}, where there is one, the special tokens it adds.
   *
   * @throws TokenizerException if a file is missing, damaged or larger than 64 MiB, or the native
   *     library does not run on this machine
   * @throws UnsupportedModelException if the tokenizer is no byte-pair encoding or has a component
   *     that lrt4j does not run
   */
  public static Tokenizer load(Path directory) {
    return load(ModelFiles.of(directory));
  }

  /** The tokenizer of a checkpoint, empty if it has none. */
  public static Optional<Tokenizer> find(ModelFiles files) {
    return TokenizerFile.isIn(files) ? Optional.of(load(files)) : Optional.empty();
  }

  private static Tokenizer load(ModelFiles files) {
    TokenizerFile.Parts parts = TokenizerFile.read(files);
    TokenizersLibrary library = NativeLibrary.get();
    try {
      return new Tokenizer(library, parts, library.createTokenizerFromString(parts.nativeJson()));
    } catch (RuntimeException e) { // the only type that the native side throws
      throw new TokenizerException(
          files.directory().resolve("tokenizer.json") + ": " + e.getMessage(), e);
    }
  }

  /**
   * The ids of a text. Special tokens written out in it are recognised; none are added.
   *
   * @throws TokenizerException if the text has half a surrogate pair, which is no Unicode, or is
   *     longer than {@link #MAX_CHARS}
   */
  public int[] encode(String text) {
    if (text.length() > MAX_CHARS) {
      throw new TokenizerException(
          "a text of " + text.length() + " chars is longer than the " + MAX_CHARS + " encoded");
    }
    int lone = Surrogates.lone(text);
    if (lone >= 0) {
      throw new TokenizerException(
          "the text is not Unicode: half a surrogate pair, U+%04X, at index %d"
              .formatted((int) text.charAt(lone), lone));
    }
    lock.readLock().lock();
    try {
      long encoding = library.encode(open(), text, false);
      try {
        long[] wide = library.getTokenIds(encoding);
        int[] narrow = new int[wide.length];
        for (int i = 0; i < wide.length; i++) {
          narrow[i] = Math.toIntExact(wide[i]);
        }
        return narrow;
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** The text of ids, as {@link #decode(int[], int, int, boolean)} of all of them. */
  public String decode(int[] ids, boolean skipSpecialTokens) {
    return decode(ids, 0, ids.length, skipSpecialTokens);
  }

  /**
   * The text of the ids from index {@code from} to {@code to}, exclusive. Bytes that are not UTF-8
   * become U+FFFD. Ids that no token has say nothing: a model's vocabulary is often padded beyond
   * its tokenizer's.
   *
   * @throws IllegalArgumentException if an id is negative
   */
  public String decode(int[] ids, int from, int to, boolean skipSpecialTokens) {
    Objects.checkFromToIndex(from, to, ids.length);
    Detokenizer detokenizer = detokenizer();
    var out = new StringBuilder();
    for (int i = from; i < to; i++) {
      String token = token(ids[i], skipSpecialTokens);
      if (token != null) {
        detokenizer.add(token, out);
      }
    }
    detokenizer.finish(out);
    return out.toString();
  }

  /** One more than the largest id. */
  public int vocabularySize() {
    return tokens.length;
  }

  /**
   * The id of a token, exactly as it stands in the vocabulary or among the added tokens: {@code
   * "<think>"}, or {@code "Ġhello"} in a byte-level vocabulary.
   */
  public OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** Whether the id is that of a special token, such as the end of a turn. */
  public boolean isSpecial(int id) {
    return id >= 0 && special.get(id);
  }

  /** Frees the native tokenizer. Closing twice does nothing. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (handle != 0) {
        library.deleteTokenizer(handle);
        handle = 0;
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  /** A detokenizer for a new sequence. */
  Detokenizer detokenizer() {
    lock.readLock().lock();
    try {
      open();
    } finally {
      lock.readLock().unlock();
    }
    return detokenizers.get();
  }

  /** The token of an id as it stands in the vocabulary; null if it contributes no text. */
  @Nullable String token(int id, boolean skipSpecialTokens) {
    if (id < 0) {
      throw new IllegalArgumentException("a token id is never negative: " + id);
    }
    return id >= tokens.length || (skipSpecialTokens && special.get(id)) ? null : tokens[id];
  }

  private static @Nullable String[] byId(Map<String, Integer> ids) {
    int size = 0;
    for (int id : ids.values()) {
      size = Math.max(size, id + 1);
    }
    @Nullable String[] tokens = new String[size];
    ids.forEach((token, id) -> tokens[id] = token);
    return tokens;
  }

  /** The handle, to be used under the lock only. */
  private long open() {
    if (handle == 0) {
      throw new IllegalStateException("the tokenizer is closed");
    }
    return handle;
  }
}
