package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.LoadListener;
import io.lrt4j.Quantization;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/**
 * A base model's directory in the Hugging Face layout, opened and checked as a whole: {@code
 * config.json}, {@code model.safetensors} or the shards of {@code model.safetensors.index.json},
 * and {@code generation_config.json} if there is one. Once it is open, every tensor that the config
 * implies is there with its shape and a type that runs. Files that are mapped must not be changed
 * while it is open.
 */
public final class Checkpoint extends OpenCheckpoint {
  private static final System.Logger LOG = System.getLogger(Checkpoint.class.getName());
  private static final String PREFIX = "model.";
  private static final String EMBEDDING = PREFIX + Kind.EMBEDDING_NAME;
  private static final String HEAD = Kind.HEAD_NAME;
  private static final String ADAPTER = "adapter_config.json"; // PEFT would apply it by itself

  private final ModelConfig config;
  private final GenerationDefaults generation;

  private Checkpoint(
      Path directory, ModelConfig config, GenerationDefaults generation, TensorFiles tensors) {
    super(directory, tensors);
    this.config = config;
    this.generation = generation;
  }

  /** Opens a directory, checks all of it, and maps its weights. */
  public static Checkpoint open(Path directory) {
    return open(ModelFiles.of(directory), Access.MAP, LoadListener.NONE);
  }

  /**
   * Opens a directory and checks all of it; nothing stays open if it fails.
   *
   * @param listener told while weights are read and, later, {@link #handOver handed over}
   * @throws CheckpointException if it is damaged, incomplete, or no base model
   * @throws UnsupportedModelException if it asks for something that is not run
   */
  public static Checkpoint open(ModelFiles files, Access access, LoadListener listener) {
    Path directory = files.directory();
    Json json = Json.read(files.require("config.json"));
    if (NetworkConfig.describedBy(json)) {
      throw new CheckpointException(
          directory + ": expected a base model, found a reasoning network");
    }
    ModelConfig declared = ConfigParser.model(json);
    GenerationDefaults generation = GenerationDefaults.read(files, json, declared.vocabSize());
    if (files.find(ADAPTER) != null) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: the adapter that {1} describes is not applied: the weights are run as they are",
          directory,
          ADAPTER);
    }
    return open(files, declared, generation, access, listener);
  }

  /** Opens a directory whose config is yet to be written. */
  static Checkpoint open(Path directory, Presets.Preset preset) {
    return open(
        ModelFiles.of(directory),
        preset.config(),
        preset.generation(),
        Access.MAP,
        LoadListener.NONE);
  }

  private static Checkpoint open(
      ModelFiles files,
      ModelConfig declared,
      GenerationDefaults generation,
      Access access,
      LoadListener listener) {
    TensorFiles tensors = TensorFiles.open(files, listener);
    try {
      ModelConfig config = place(declared, tensors, access, files.directory());
      return new Checkpoint(files.directory(), config, generation, tensors);
    } catch (Throwable e) {
      tensors.close();
      throw e;
    }
  }

  /**
   * Places the tensors, and says what "tied" comes to, given them, as in transformers 5: a head
   * that is stored although it is tied is ignored if it equals the embedding and used if it does
   * not; a head alone is the embedding as well.
   */
  private static ModelConfig place(
      ModelConfig declared, TensorFiles tensors, Access access, Path directory) {
    tensors.aliasWithoutPrefix(TensorLayout.of(declared, PREFIX));
    boolean two = declared.tiedEmbeddings() && tensors.has(HEAD);
    if (two && !tensors.has(EMBEDDING)) {
      tensors.alias(EMBEDDING, HEAD);
      two = false;
    }
    ModelConfig config = two ? untied(declared) : declared;
    TensorLayout layout = TensorLayout.of(config, PREFIX);
    List<String> others = tensors.check(layout);
    if (!others.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: leaves aside what is no part of the model, {1} of its tensors: {2}{3}",
          directory,
          Integer.toString(others.size()),
          Json.quote(others.getFirst()),
          others.size() == 1 ? "" : " …");
    }
    tensors.place(access, layout);
    if (!two) {
      return config;
    }
    if (same(tensors.require(EMBEDDING), tensors.require(HEAD))) {
      return declared;
    }
    LOG.log(
        System.Logger.Level.WARNING,
        "{0}: config.json ties the head to the embedding, but their values differ; using the head",
        directory);
    return config;
  }

  /** Whether two tensors of one shape hold the same numbers, be it in two types. */
  private static boolean same(StoredTensor a, StoredTensor b) {
    if (a.storedType().equals("U8") || b.storedType().equals("U8")) {
      return false; // rounded, one of them or to another type
    }
    if (a.storedType().equals(b.storedType())) {
      return a.data().mismatch(b.data()) < 0;
    }
    for (long i = 0; i < a.elements(); i++) {
      if (a.element(i) != b.element(i)) {
        return false;
      }
    }
    return true;
  }

  private static ModelConfig untied(ModelConfig c) {
    return new ModelConfig(
        c.architecture(),
        c.vocabSize(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.layers(),
        c.heads(),
        c.kvHeads(),
        c.headDim(),
        c.rmsNormEps(),
        false,
        c.qkvBias(),
        c.outputBias(),
        c.mlpBias(),
        c.qkNorm(),
        c.rope(),
        c.slidingWindow(),
        c.windowed(),
        c.maxPositions());
  }

  /** The config, with {@code tiedEmbeddings} as the tensors have it. */
  public ModelConfig config() {
    return config;
  }

  public GenerationDefaults generation() {
    return generation;
  }

  /**
   * As {@link #handOver(io.lrt4j.compute.Memory, Function)}, into one memory for each kind of
   * weight.
   */
  public <T> T handOver(Placement placement, Function<Weights.Source, T> taking) {
    return tensors.handOver(placement, tied(), taking);
  }

  /** What the embedding is rounded to in the files: NONE if it is not. */
  public Quantization roundedEmbedding() {
    return tensors.rounded(Kind.EMBEDDING);
  }

  /** What the head is rounded to in the files: NONE if it is not. */
  public Quantization roundedHead() {
    return tensors.rounded(config.tiedEmbeddings() ? Kind.EMBEDDING : Kind.HEAD);
  }

  /** Whether any layer's projection is in q8 or q4, as stored or once it is loaded so. */
  public boolean rounded(Quantization quantization) {
    return switch (quantization) {
      case NONE, BF16 -> rounded() != Quantization.NONE;
      case Q8 -> holds(DType.Q8);
      case Q4 -> holds(DType.Q4);
    };
  }

  private boolean holds(DType type) {
    return layout().shapes().entrySet().stream()
        .anyMatch(
            tensor ->
                Kind.of(tensor.getKey()) == Kind.LAYERS
                    && Quantizer.rounds(tensor.getKey(), tensor.getValue(), type));
  }

  @Override
  TensorLayout layout() {
    return TensorLayout.of(config, PREFIX);
  }
}
