package io.lrt4j.reasoning;

import io.lrt4j.CheckpointException;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.LoadListener;
import io.lrt4j.Mode;
import io.lrt4j.Quantization;
import io.lrt4j.Tool;
import io.lrt4j.ToolChoice;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.GenerationDefaults;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.Placement;
import io.lrt4j.checkpoint.WeightMemories;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.PrefixCache;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import io.lrt4j.schedule.Scheduler;
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.Tokenizer;
import io.lrt4j.text.grammar.Constraint;
import io.lrt4j.text.grammar.TokenTable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Everything that threads share: the base model, its text side, and the reasoning network if there
 * is one.
 */
public final class LoadedModel implements AutoCloseable {
  /** Where a model's own network lies, beside its other files. */
  private static final String NETWORK_DIRECTORY = "network";

  /** Bytes that beginnings of questions may take. */
  private static final long MOST_PREFIXES = 1L << 30;

  /** JSON schemas that are kept ready. */
  private static final int MOST_CONSTRAINTS = 16;

  private static final System.Logger LOG = System.getLogger(LoadedModel.class.getName());

  private final Deque<Runnable> closers = new ArrayDeque<>(); // the last opened first
  private final Access access;
  private final Checkpoint checkpoint;
  private final Backend backend;
  private final EngineOptions options;
  private final CacheMemory cacheMemory; // for keys and values
  private final Transformer transformer;
  private final PrefixCache prefixes;
  private final boolean guesses; // what answers repeat, see EngineOptions.promptLookup
  private final Scheduler scheduler;
  private final @Nullable ReasoningNetwork network;
  private Quantization networkRounded = Quantization.NONE; // in its files
  private final @Nullable Path networkDirectory;
  private final @Nullable Tokenizer tokenizer;
  private final Prompts prompts;
  private final Vocabulary vocabulary;
  private final Map<Object, Constraint> constraints = // by schema, tools or both; guarded by itself
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Object, Constraint> eldest) {
          return size() > MOST_CONSTRAINTS;
        }
      };
  private @Nullable TokenTable tokenTable; // guarded by the constraints

  private LoadedModel(
      Path directory, EngineOptions options, Supplier<Backend> opener, LoadListener listener) {
    this.options = options;
    access = options.mappedWeights() ? Access.MAP : Access.READ;
    // It takes one processor as long as the backend and the weights do, or longer.
    CompletableFuture<Optional<Tokenizer>> text =
        CompletableFuture.supplyAsync(
            () -> Tokenizer.find(ModelFiles.of(directory, options.outsideLinks())),
            Thread.ofPlatform().daemon().name("lrt4j-tokenizer")::start);
    try {
      closers.push(Events::withdraw);
      backend = opener.get();
      closers.push(backend::close);
      ModelFiles files = ModelFiles.of(directory, options.outsideLinks());
      checkpoint = Checkpoint.open(files, access, listener);
      closers.push(checkpoint::close);
      var memories = new WeightMemories(options, backend);
      closers.push(memories::close);
      Placement base = memories.base(checkpoint.roundedHead());
      Memory _ = memories.network(Quantization.NONE); // refused before anything is read
      Weights weights =
          checkpoint.handOver(base, source -> Weights.of(checkpoint.config(), "model.", source));
      boolean rounded = checkpoint.rounded(options.quantization());
      cacheMemory = CacheMemory.of(options.cacheType(), rounded, backend);
      transformer = new Transformer(checkpoint.config(), weights, backend, cacheMemory);
      closers.push(transformer::close);
      scheduler = new Scheduler(transformer);
      closers.push(scheduler::close);
      Path own = directory.resolve(NETWORK_DIRECTORY);
      networkDirectory =
          options.network() != null ? options.network() : Files.isDirectory(own) ? own : null;
      network =
          networkDirectory == null
              ? null
              : openNetwork(
                  ModelFiles.of(networkDirectory, options.outsideLinks()), memories, listener);
      guesses = backend.rowsPerRead() > 1 && options.promptLookup().suits(checkpoint.parameters());
      // Now, as all weights are there: what they leave of a device's memory is what there is.
      long asked = options.cacheMemory();
      cacheMemory.limit(asked > 0 ? asked : backend.cacheMemory());
      long kept = options.prefixReuse() ? Math.min(cacheMemory.limit() / 4, MOST_PREFIXES) : 0;
      int states = network == null ? 0 : checkpoint.config().hiddenSize();
      prefixes = new PrefixCache(backend, transformer.store(), cacheMemory, states, kept);
      closers.push(prefixes::close);
      tokenizer = get(text).orElse(null);
      if (tokenizer != null) {
        closers.push(tokenizer::close);
      }
      prompts =
          new Prompts(tokenizer, tokenizer == null ? null : ChatTemplate.load(files).orElse(null));
      vocabulary =
          Vocabulary.of(
              checkpoint.config().vocabSize(), tokenizer, checkpoint.generation().eosTokenIds());
    } catch (InternalError e) {
      closeAfter(e, text);
      throw changed(directory, e);
    } catch (RuntimeException | Error e) {
      closeAfter(e, text);
      throw e;
    }
  }

  /** What another thread found, or what it threw, with the caller below its own frames. */
  private static <T> T get(CompletableFuture<T> result) {
    try {
      return result.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw calledHere(failure);
      }
      if (e.getCause() instanceof Error failure) {
        throw calledHere(failure);
      }
      throw e;
    }
  }

  /** So that a stack trace leads to who loads, too. */
  private static <E extends Throwable> E calledHere(E failure) {
    Stream<StackTraceElement> caller = Arrays.stream(new Throwable().getStackTrace()).skip(1);
    failure.setStackTrace(
        Stream.concat(Arrays.stream(failure.getStackTrace()), caller)
            .toArray(StackTraceElement[]::new));
    return failure;
  }

  /**
   * What is thrown while a load that failed is closed does not hide why it failed. Nobody waits for
   * a tokenizer that is still being read: it is closed when it has been.
   */
  private void closeAfter(Throwable failure, CompletableFuture<Optional<Tokenizer>> text) {
    var _ = text.thenAccept(read -> read.ifPresent(Tokenizer::close));
    try {
      close();
    } catch (RuntimeException | Error e) {
      failure.addSuppressed(e);
    }
  }

  /** Loads a model and, if the options name one or it has one of its own, its network. */
  public static LoadedModel load(Path directory, EngineOptions options, LoadListener listener) {
    LoadedModel model =
        load(
            directory,
            options,
            () -> Backends.open(options.backend(), options.threads()),
            listener);
    if (options.backend().equals(Backends.AUTO)) {
      // A warning only where Java would crawl: by default it is printed.
      System.Logger.Level level =
          model.backend.name().equals("scalar")
              ? System.Logger.Level.WARNING
              : System.Logger.Level.DEBUG;
      Backends.missing(model.backend.name()).ifPresent(hint -> LOG.log(level, hint));
    }
    return model;
  }

  /** The same on a backend that is open already; it is closed with the model. */
  static LoadedModel load(Path directory, EngineOptions options, Backend backend) {
    return load(directory, options, () -> backend, LoadListener.NONE);
  }

  private static LoadedModel load(
      Path directory, EngineOptions options, Supplier<Backend> backend, LoadListener listener) {
    Events.announce(); // until the model is closed, or cannot be loaded
    var event = new Events.Load();
    event.directory = directory.toString();
    event.backend = options.backend();
    event.begin();
    try {
      LoadedModel model = new LoadedModel(directory, options, backend, listener);
      event.backend = model.backend.name();
      event.parameters = model.checkpoint.parameters();
      // Not INFO: by default that is printed, and what a process prints is its owner's business.
      LOG.log(System.Logger.Level.DEBUG, () -> "loaded " + model.describe());
      return model;
    } catch (RuntimeException | Error e) {
      event.error = e.toString();
      throw e;
    } finally {
      event.commit();
    }
  }

  private ReasoningNetwork openNetwork(
      ModelFiles files, WeightMemories memories, LoadListener listener) {
    NetworkCheckpoint stored = NetworkCheckpoint.open(files, access, listener);
    closers.push(stored::close);
    int expected = checkpoint.config().hiddenSize();
    if (stored.config().baseHiddenSize() != expected) {
      throw new CheckpointException(
          files.directory()
              + ": this reasoning network is for a base model of hidden size "
              + stored.config().baseHiddenSize()
              + ", but "
              + checkpoint.directory()
              + " has hidden size "
              + expected);
    }
    ReasoningNetwork network =
        stored.handOver(
            memories.network(stored.rounded()),
            source -> new ReasoningNetwork(stored.config(), source, backend, cacheMemory));
    closers.push(network::close);
    networkRounded = stored.rounded();
    return network;
  }

  /**
   * What Java reports as an internal error where a mapped file ends before its mapping does; such
   * an error of another kind comes back as it is.
   *
   * @throws InternalError if weights are not mapped, or it is about something else
   */
  public CheckpointException changed(InternalError e) {
    return changed(directory(), e);
  }

  private CheckpointException changed(Path directory, InternalError e) {
    if (access != Access.MAP || !String.valueOf(e.getMessage()).contains("memory access")) {
      throw e;
    }
    return new CheckpointException(
        directory + ": a file of mapped weights was changed while it was in use", e);
  }

  public Path directory() {
    return checkpoint.directory();
  }

  public @Nullable Path networkDirectory() {
    return networkDirectory;
  }

  public @Nullable ReasoningNetwork network() {
    return network;
  }

  /** See {@link io.lrt4j.Engine#defaultMode()}. */
  public Mode defaultMode() {
    if (network == null) {
      return prompts.knowsThinking() ? Mode.EXPLICIT : Mode.DIRECT;
    }
    return network.config().autoThreshold().isPresent() ? Mode.AUTO : Mode.LATENT;
  }

  Transformer transformer() {
    return transformer;
  }

  PrefixCache prefixes() {
    return prefixes;
  }

  /** Whether answers guess what they repeat. */
  boolean guesses() {
    return guesses;
  }

  Scheduler scheduler() {
    return scheduler;
  }

  public Prompts prompts() {
    return prompts;
  }

  Vocabulary vocabulary() {
    return vocabulary;
  }

  /** What holds answers to a JSON schema. Those asked for last are kept. */
  Constraint constraint(String jsonSchema) {
    return constraint(jsonSchema, table -> Constraint.of(jsonSchema, table));
  }

  /** What holds answers to calls of tools, and what is none to a schema. Kept likewise. */
  Constraint constraint(@Nullable String jsonSchema, List<Tool> tools, ToolChoice choice) {
    return constraint(
        Arrays.asList(jsonSchema, tools, choice),
        table -> Constraint.of(jsonSchema, tools, choice, table));
  }

  private Constraint constraint(Object of, Function<TokenTable, Constraint> maker) {
    Tokenizer reader = tokenizer("hold an answer to a JSON schema");
    synchronized (constraints) {
      if (tokenTable == null) {
        tokenTable = new TokenTable(reader, vocabularySize());
      }
      Constraint known = constraints.get(of);
      if (known == null) {
        known = maker.apply(tokenTable);
        constraints.put(of, known);
      }
      return known;
    }
  }

  /** What the checkpoint asks for, see {@link io.lrt4j.Engine#defaultOptions()}. */
  public GenerationOptions defaultOptions() {
    GenerationDefaults d = checkpoint.generation();
    return GenerationOptions.defaults().toBuilder()
        .temperature(d.doSample() ? d.temperature() : 0)
        .topK(d.topK())
        .topP(d.topP())
        .minP(d.minP())
        .repetitionPenalty(d.repetitionPenalty())
        .build();
  }

  /** How many ids the model takes. */
  public int vocabularySize() {
    return checkpoint.config().vocabSize();
  }

  public Backend backend() {
    return backend;
  }

  /** The tokenizer, for {@code what}, which needs one. */
  public Tokenizer tokenizer(String what) {
    return prompts.tokenizer(what);
  }

  public boolean hasTokenizer() {
    return tokenizer != null;
  }

  /** What was loaded, what runs it, and why, in one line. */
  public String describe() {
    var config = checkpoint.config();
    String text =
        String.format(
            Locale.ROOT,
            "%s: %s, %.1f million parameters, %d layers, hidden size %d",
            directory(),
            config.architecture(),
            checkpoint.parameters() / 1e6,
            config.layers(),
            config.hiddenSize());
    if (network != null) {
      text +=
          "; reasoning network "
              + networkDirectory
              + ": "
              + network.latents()
              + " latents, "
              + Session.name(network.config().fusion());
    }
    text += describeWeights();
    DType cacheType = transformer.store().type();
    if (cacheType != DType.F32) {
      text += "; keys and values " + cacheType.name().toLowerCase(Locale.ROOT);
    }
    String fault =
        prompts
            .templateFault()
            .map(f -> "; it can complete text, not answer questions: " + f)
            .orElse("");
    return text + "; backend " + backend.name() + ": " + backend.describe() + fault;
  }

  /**
   * What weights are rounded to; of head and network only where it is something else than of the
   * layers, of the embedding only if it is.
   */
  private String describeWeights() {
    Quantization asked = options.quantization();
    Quantization layers = rounded(asked, checkpoint.rounded());
    String text = "";
    if (layers != Quantization.NONE) {
      String stored = asked == Quantization.NONE ? ", as stored" : "";
      text += "; weights " + Session.name(layers) + stored;
    }
    Quantization head = rounded(options.headQuantization(), checkpoint.roundedHead());
    if (head != layers) {
      text += "; head " + Session.name(head);
    }
    Quantization embedding =
        options.embeddingQuantization() == Quantization.NONE
            ? checkpoint.roundedEmbedding()
            : options.embeddingQuantization();
    if (embedding != Quantization.NONE) {
      text += "; embedding " + Session.name(embedding);
    }
    Quantization ofNetwork = rounded(options.networkQuantization(), networkRounded);
    if (network != null && ofNetwork != layers) {
      text += "; network " + Session.name(ofNetwork);
    }
    return text;
  }

  /** What was asked for (null: as of all), or else what the files have. */
  private Quantization rounded(@Nullable Quantization asked, Quantization stored) {
    Quantization quantization = WeightMemories.of(options, asked, stored);
    return quantization == Quantization.NONE ? stored : quantization;
  }

  /**
   * Frees everything; nobody may be using it any more. What one part throws while it is closed
   * keeps no other from being closed, and is thrown in the end.
   */
  @Override
  public void close() {
    List<Runnable> all = List.copyOf(closers);
    closers.clear();
    Closing.each(all, Runnable::run);
  }
}
