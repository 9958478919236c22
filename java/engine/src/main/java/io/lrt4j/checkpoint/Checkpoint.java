package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.List;

/**
 * A base model's directory in the Hugging Face layout, opened and checked as a whole: {@code
 * config.json}, {@code model.safetensors} or the shards of {@code model.safetensors.index.json},
 * and {@code generation_config.json} if there is one. Once it is open, every tensor that the config
 * implies is there with its shape and a type that runs. The files must not be changed while it is
 * open.
 */
public final class Checkpoint implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Checkpoint.class.getName());
  private static final String EMBEDDING = "model.embed_tokens.weight";
  private static final String HEAD = "lm_head.weight";

  private final Path directory;
  private final ModelConfig config;
  private final GenerationDefaults generation;
  private final TensorFiles tensors;

  private Checkpoint(
      Path directory, ModelConfig config, GenerationDefaults generation, TensorFiles tensors) {
    this.directory = directory;
    this.config = config;
    this.generation = generation;
    this.tensors = tensors;
  }

  /**
   * Opens a directory and checks all of it; nothing stays mapped if it fails.
   *
   * @throws CheckpointException if it is damaged, incomplete, or no base model
   * @throws UnsupportedModelException if it asks for something that is not run
   */
  public static Checkpoint open(Path directory) {
    ModelFiles files = ModelFiles.of(directory);
    Json json = Json.read(files.require("config.json"));
    if (NetworkConfig.describedBy(json)) {
      throw new CheckpointException(
          directory + ": expected a base model, found a reasoning network");
    }
    ModelConfig declared = ConfigParser.model(json);
    GenerationDefaults generation = GenerationDefaults.read(files, json, declared.vocabSize());
    TensorFiles tensors = TensorFiles.open(files);
    try {
      ModelConfig config = resolveTie(declared, tensors, directory);
      tensors.check(TensorLayout.of(config, "model."));
      return new Checkpoint(directory, config, generation, tensors);
    } catch (Throwable e) {
      tensors.close();
      throw e;
    }
  }

  /**
   * What "tied" comes to, given the tensors, as in transformers 5: a head that is stored although
   * it is tied is ignored if it equals the embedding and used if it does not; a head alone is the
   * embedding as well.
   */
  private static ModelConfig resolveTie(ModelConfig config, TensorFiles tensors, Path directory) {
    StoredTensor embedding = tensors.find(EMBEDDING);
    StoredTensor head = tensors.find(HEAD);
    if (!config.tiedEmbeddings() || head == null) {
      return config;
    }
    if (embedding == null) {
      tensors.alias(EMBEDDING, head);
      return config;
    }
    if (embedding.storedType().equals(head.storedType())
        && embedding.shape().equals(head.shape())
        && embedding.data().mismatch(head.data()) < 0) {
      return config;
    }
    LOG.log(
        System.Logger.Level.WARNING,
        "{0}: config.json ties the head to the embedding, but their values differ; using the head",
        directory);
    return untied(config);
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

  public Path directory() {
    return directory;
  }

  /** The config, with {@code tiedEmbeddings} as the tensors have it. */
  public ModelConfig config() {
    return config;
  }

  public GenerationDefaults generation() {
    return generation;
  }

  /**
   * The tensor of that name.
   *
   * @throws CheckpointException if there is none
   */
  public StoredTensor tensor(String name) {
    return tensors.require(name);
  }

  /** Its parameters as {@code memory} takes them in; they live as long as both. */
  public Weights.Source on(Memory memory) {
    return tensors.on(memory);
  }

  public boolean has(String name) {
    return tensors.find(name) != null;
  }

  /** All tensors of the files, in their order, those that the model does not use included. */
  public List<StoredTensor> tensors() {
    return tensors.all();
  }

  /** Number of parameters of the model; a tied head counts once. */
  public long parameters() {
    return TensorLayout.of(config, "model.").parameters();
  }

  /** Unmaps the files: every tensor's data is invalid from now on. */
  @Override
  public void close() {
    tensors.close();
  }
}
