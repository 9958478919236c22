package io.lrt4j;

import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How to load an engine; immutable. {@link #builder} changes the defaults, and every {@code with…}
 * gives a changed copy; a value that is out of range is refused at once with a {@link
 * BackendException}.
 *
 * @param network directory of the reasoning network; null looks for {@code network/} in the model's
 *     directory
 * @param backend {@code auto}, {@code scalar}, {@code vector}, {@code native} or {@code cuda}; one
 *     that is not available is an error
 * @param threads compute threads, the caller's included; 0 takes one per processor
 * @param cacheMemory most bytes for keys and values, of all answers under way together; 0 takes
 *     half of the machine's memory or, on a GPU, half of what is free there once the weights are
 *     loaded. It is taken as tokens are written, not beforehand; an answer that would need more
 *     ends with a {@link CacheMemoryException}
 * @param cacheType how keys and values are stored, of the base model and of the network: f32, f16
 *     or q8; a backend that cannot is an error. {@link CacheType#AUTO} takes f16 for weights in q8
 *     or q4, f32 for others
 * @param mappedWeights whether weights are mapped into memory instead of read. Mapped, they are
 *     there at once, take no memory of their own, and are shared by processes that map the same
 *     files. But nobody may touch those files while the engine is open: one that is cut short or
 *     overwritten in place (a plain {@code cp} over it) changes what the model says, or ends the
 *     whole process by a SIGBUS that no Java code can catch; at best a call fails with {@link
 *     CheckpointException}. Replacing a file by renaming another over it is safe. Meant for
 *     processes that answer once and end
 * @param outsideLinks whether symbolic links may lead out of the model's and the network's
 *     directory, as old downloads and link farms have them. Without it those into the hub cache
 *     that the directory itself is in are followed, no others: a directory that came from somewhere
 *     else must not make this process read what lies elsewhere
 * @param quantization of projections, the base model's and the network's; a backend that has no
 *     kernels for it is an error
 * @param headQuantization of the base model's head instead; null as {@code quantization} says, or
 *     as it is where its files have it in q8 or q4 already
 * @param networkQuantization of the network instead; null likewise
 * @param embeddingQuantization of the base model's embedding: NONE, Q8 or Q4. Where it is tied to
 *     the head, and both are rounded alike, they are in memory once
 * @param concurrency most answers under way at a time; more callers wait for their turn, first come
 *     first served. A listener that asks its own engine counts for itself
 * @param queue most callers that may wait for their turn; one more is refused with an {@link
 *     OverloadedException}. 0 refuses whoever would have to wait
 * @param prefixReuse whether beginnings of questions are kept (system prompts, conversations), so
 *     that a question that begins alike is read from the first token on that is another: its last
 *     one if it is the same; from the first one if less than eight are alike. They take up to a
 *     quarter of {@code cacheMemory}, 1 GiB at most, which answers under way get when they need it
 * @param promptLookup whether what an answer repeats is guessed, to be read several tokens at a
 *     time
 */
public record EngineOptions(
    @Nullable Path network,
    String backend,
    int threads,
    long cacheMemory,
    CacheType cacheType,
    boolean mappedWeights,
    boolean outsideLinks,
    Quantization quantization,
    @Nullable Quantization headQuantization,
    @Nullable Quantization networkQuantization,
    Quantization embeddingQuantization,
    int concurrency,
    int queue,
    boolean prefixReuse,
    PromptLookup promptLookup) {
  private static final EngineOptions DEFAULTS =
      new EngineOptions(
          null,
          "auto",
          0,
          0,
          CacheType.AUTO,
          false,
          false,
          Quantization.NONE,
          null,
          null,
          Quantization.NONE,
          64,
          Integer.MAX_VALUE,
          true,
          PromptLookup.AUTO);

  public EngineOptions {
    Objects.requireNonNull(backend, "backend");
    Objects.requireNonNull(cacheType, "cacheType");
    Objects.requireNonNull(quantization, "quantization");
    Objects.requireNonNull(embeddingQuantization, "embeddingQuantization");
    Objects.requireNonNull(promptLookup, "promptLookup");
    if (embeddingQuantization == Quantization.BF16) {
      throw new BackendException(
          "an embedding is kept as it is stored (NONE), in Q8 or in Q4, found BF16, which rounds"
              + " activations");
    }
    if (threads < 0 || threads > 1024) {
      throw new BackendException("threads must be 0 (one per processor) to 1024, found " + threads);
    }
    if (cacheMemory < 0) {
      throw new BackendException(
          "cache memory must be 0 (half of what there is) or more bytes, found " + cacheMemory);
    }
    if (concurrency < 1 || queue < 0) {
      throw new BackendException(
          "concurrency must be at least 1 and queue at least 0, found "
              + concurrency
              + " and "
              + queue);
    }
  }

  /**
   * The best available backend, one thread per processor, the model's own network if it has one,
   * weights read into memory.
   */
  public static EngineOptions defaults() {
    return DEFAULTS;
  }

  /** Changes the defaults. */
  public static Builder builder() {
    return DEFAULTS.toBuilder();
  }

  /** Changes these options. */
  public Builder toBuilder() {
    return new Builder(this);
  }

  public EngineOptions withNetwork(@Nullable Path network) {
    return toBuilder().network(network).build();
  }

  public EngineOptions withBackend(String backend) {
    return toBuilder().backend(backend).build();
  }

  public EngineOptions withThreads(int threads) {
    return toBuilder().threads(threads).build();
  }

  public EngineOptions withCacheMemory(long cacheMemory) {
    return toBuilder().cacheMemory(cacheMemory).build();
  }

  public EngineOptions withCacheType(CacheType cacheType) {
    return toBuilder().cacheType(cacheType).build();
  }

  public EngineOptions withMappedWeights(boolean mappedWeights) {
    return toBuilder().mappedWeights(mappedWeights).build();
  }

  public EngineOptions withOutsideLinks(boolean outsideLinks) {
    return toBuilder().outsideLinks(outsideLinks).build();
  }

  public EngineOptions withQuantization(Quantization quantization) {
    return toBuilder().quantization(quantization).build();
  }

  public EngineOptions withHeadQuantization(@Nullable Quantization headQuantization) {
    return toBuilder().headQuantization(headQuantization).build();
  }

  public EngineOptions withNetworkQuantization(@Nullable Quantization networkQuantization) {
    return toBuilder().networkQuantization(networkQuantization).build();
  }

  public EngineOptions withEmbeddingQuantization(Quantization embeddingQuantization) {
    return toBuilder().embeddingQuantization(embeddingQuantization).build();
  }

  public EngineOptions withConcurrency(int concurrency) {
    return toBuilder().concurrency(concurrency).build();
  }

  public EngineOptions withQueue(int queue) {
    return toBuilder().queue(queue).build();
  }

  public EngineOptions withPrefixReuse(boolean prefixReuse) {
    return toBuilder().prefixReuse(prefixReuse).build();
  }

  public EngineOptions withPromptLookup(PromptLookup promptLookup) {
    return toBuilder().promptLookup(promptLookup).build();
  }

  /** Makes options; a value that is out of range is refused by {@link #build}. */
  public static final class Builder {
    private @Nullable Path network;
    private String backend;
    private int threads;
    private long cacheMemory;
    private CacheType cacheType;
    private boolean mappedWeights;
    private boolean outsideLinks;
    private Quantization quantization;
    private @Nullable Quantization headQuantization;
    private @Nullable Quantization networkQuantization;
    private Quantization embeddingQuantization;
    private int concurrency;
    private int queue;
    private boolean prefixReuse;
    private PromptLookup promptLookup;

    private Builder(EngineOptions o) {
      network = o.network;
      backend = o.backend;
      threads = o.threads;
      cacheMemory = o.cacheMemory;
      cacheType = o.cacheType;
      mappedWeights = o.mappedWeights;
      outsideLinks = o.outsideLinks;
      quantization = o.quantization;
      headQuantization = o.headQuantization;
      networkQuantization = o.networkQuantization;
      embeddingQuantization = o.embeddingQuantization;
      concurrency = o.concurrency;
      queue = o.queue;
      prefixReuse = o.prefixReuse;
      promptLookup = o.promptLookup;
    }

    /** See {@link EngineOptions#network}. */
    public Builder network(@Nullable Path network) {
      this.network = network;
      return this;
    }

    /** See {@link EngineOptions#backend}. */
    public Builder backend(String backend) {
      this.backend = backend;
      return this;
    }

    /** See {@link EngineOptions#threads}. */
    public Builder threads(int threads) {
      this.threads = threads;
      return this;
    }

    /** See {@link EngineOptions#cacheMemory}. */
    public Builder cacheMemory(long cacheMemory) {
      this.cacheMemory = cacheMemory;
      return this;
    }

    /** See {@link EngineOptions#cacheType}. */
    public Builder cacheType(CacheType cacheType) {
      this.cacheType = cacheType;
      return this;
    }

    /** See {@link EngineOptions#mappedWeights}. */
    public Builder mappedWeights(boolean mappedWeights) {
      this.mappedWeights = mappedWeights;
      return this;
    }

    /** See {@link EngineOptions#outsideLinks}. */
    public Builder outsideLinks(boolean outsideLinks) {
      this.outsideLinks = outsideLinks;
      return this;
    }

    /** See {@link EngineOptions#quantization}. */
    public Builder quantization(Quantization quantization) {
      this.quantization = quantization;
      return this;
    }

    /** See {@link EngineOptions#headQuantization}. */
    public Builder headQuantization(@Nullable Quantization headQuantization) {
      this.headQuantization = headQuantization;
      return this;
    }

    /** See {@link EngineOptions#networkQuantization}. */
    public Builder networkQuantization(@Nullable Quantization networkQuantization) {
      this.networkQuantization = networkQuantization;
      return this;
    }

    /** See {@link EngineOptions#embeddingQuantization}. */
    public Builder embeddingQuantization(Quantization embeddingQuantization) {
      this.embeddingQuantization = embeddingQuantization;
      return this;
    }

    /** See {@link EngineOptions#concurrency}. */
    public Builder concurrency(int concurrency) {
      this.concurrency = concurrency;
      return this;
    }

    /** See {@link EngineOptions#queue}. */
    public Builder queue(int queue) {
      this.queue = queue;
      return this;
    }

    /** See {@link EngineOptions#prefixReuse}. */
    public Builder prefixReuse(boolean prefixReuse) {
      this.prefixReuse = prefixReuse;
      return this;
    }

    /** See {@link EngineOptions#promptLookup}. */
    public Builder promptLookup(PromptLookup promptLookup) {
      this.promptLookup = promptLookup;
      return this;
    }

    /** The options as set so far. */
    public EngineOptions build() {
      return new EngineOptions(
          network,
          backend,
          threads,
          cacheMemory,
          cacheType,
          mappedWeights,
          outsideLinks,
          quantization,
          headQuantization,
          networkQuantization,
          embeddingQuantization,
          concurrency,
          queue,
          prefixReuse,
          promptLookup);
    }
  }
}
