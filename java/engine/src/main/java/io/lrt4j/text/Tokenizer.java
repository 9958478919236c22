package io.lrt4j.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.lrt4j.QuestionException;
import io.lrt4j.QuestionTooLongException;
import io.lrt4j.TokenizerException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.compute.NativeFiles;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
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
  private final Path file;
  private final Map<String, Integer> ids;
  private final @Nullable String[] tokens; // by id
  private final BitSet special;
  private final Supplier<Detokenizer> detokenizers;
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private final TokenizerFile.Source source;
  private final SpecialTokens specialTokens;
  private long handle; // 0 once closed
  private @Nullable Aliased aliased; // made for the first text that needs it

  private Tokenizer(TokenizersLibrary library, TokenizerFile.Parts parts, long handle) {
    this.library = library;
    this.file = parts.file();
    this.ids = parts.ids();
    this.tokens = byId(parts.ids());
    this.special = parts.special();
    this.source = parts.source();
    this.specialTokens =
        new SpecialTokens(special.stream().mapToObj(id -> String.valueOf(tokens[id])).toList());
    this.detokenizers = parts.detokenizers();
    this.handle = handle;
  }

  /**
   * Loads {@code tokenizer.json} from a checkpoint's directory, and what the small files beside it
   * change, as {@code AutoTokenizer} of transformers 5 does: tokens of tokenizer_config.json,
   * special_tokens_map.json and added_tokens.json; the split of {@code Qwen2Tokenizer} (with its
   * {@code add_prefix_space}) in place of the file's where that is the class. Keys that change ids
   * and are not run are refused by name.
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
      String json = parts.source().json(UnaryOperator.identity());
      return new Tokenizer(library, parts, library.createTokenizerFromString(json));
    } catch (IllegalCallerException e) { // of the jar's own module
      throw new TokenizerException(NativeFiles.denied(TokenizersLibrary.class), e);
    } catch (RuntimeException e) { // the only type that the native side throws
      throw new TokenizerException(
          files.directory().resolve("tokenizer.json") + ": " + e.getMessage(), e);
    }
  }

  /**
   * The ids of a text. Special tokens written out in it are recognised; none are added.
   *
   * @throws QuestionException if the text has half a surrogate pair, which is no Unicode, or is
   *     longer than {@link #MAX_CHARS}
   */
  public int[] encode(String text) {
    lock.readLock().lock();
    try {
      return encode(open(), text);
    } finally {
      lock.readLock().unlock();
    }
  }

  private int[] encode(long tokenizer, String text) {
    if (text.length() > MAX_CHARS) {
      throw new QuestionTooLongException(
          "a text of " + text.length() + " chars is longer than the " + MAX_CHARS + " encoded");
    }
    int lone = Surrogates.lone(text);
    if (lone >= 0) {
      throw new QuestionException(
          "the text is not Unicode: half a surrogate pair, U+%04X, at index %d"
              .formatted((int) text.charAt(lone), lone));
    }
    long encoding = library.encode(tokenizer, text, false);
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
  }

  /**
   * Keeps these texts from writing special tokens into a text that they become parts of.
   *
   * @param texts all that {@link MessageGuard#guard} will be given
   */
  public MessageGuard guard(Collection<String> texts) {
    return new MessageGuard(this, specialTokens, source.normalizesSpecialTokens(), texts);
  }

  /**
   * The ids of a text in which special tokens stand under other names alone: written as themselves
   * they are spelled out.
   *
   * @param text makes the text out of those names, by special token
   */
  int[] encodeAliased(Function<UnaryOperator<String>, String> text) {
    lock.writeLock().lock(); // it is rare
    try {
      open();
      Aliased names = aliased;
      if (names == null) {
        names = new Aliased();
        aliased = names;
      }
      return names.encode(text.apply(names::name));
    } finally {
      lock.writeLock().unlock();
    }
  }

  /**
   * The same tokenizer with names for its special tokens that no text has, for nobody knows them.
   */
  private final class Aliased {
    private final String secret = UUID.randomUUID().toString().replace("-", "");
    private final Map<Integer, Integer> translated = new HashMap<>(); // added tokens' ids to ours
    private final long renamed;

    Aliased() {
      renamed = library.createTokenizerFromString(source.json(this::name));
      for (String token : source.addedTokens()) {
        int[] found = Tokenizer.this.encode(renamed, name(token));
        if (found.length == 1) {
          translated.put(found[0], ids.get(token));
        }
      }
    }

    /** A token's name: the id has as many digits in all, so that no name begins another. */
    String name(String token) {
      int id = Objects.requireNonNull(ids.get(token));
      return special.get(id) ? "lrt4j%s%08d".formatted(secret, id) : token;
    }

    int[] encode(String text) {
      int[] found = Tokenizer.this.encode(renamed, text);
      for (int i = 0; i < found.length; i++) {
        found[i] = translated.getOrDefault(found[i], found[i]);
      }
      return found;
    }

    void close() {
      library.deleteTokenizer(renamed);
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

  /**
   * The bytes that a token adds to a text, perhaps parts of characters; none if it is special, or
   * no token has the id. What is left out only where a text begins, a space, is in them.
   */
  public byte[] bytes(int id) {
    String token = token(id, true);
    return token == null ? new byte[0] : detokenizer().bytes(token);
  }

  /** The file that its vocabulary is from. */
  public Path file() {
    return file;
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
      if (aliased != null) {
        aliased.close();
        aliased = null;
      }
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
