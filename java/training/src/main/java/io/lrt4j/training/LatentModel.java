package io.lrt4j.training;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.CheckpointWriter;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.reasoning.Prompts;
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** A frozen base and a network in training, with all that both stages need of them. */
final class LatentModel implements AutoCloseable {
  private final Deque<AutoCloseable> closers = new ArrayDeque<>(); // the last opened first
  private final Backend backend;
  private final Checkpoint checkpoint;
  private final ProblemEncoder encoder;
  private final NetworkConfig config;
  private final Parameters parameters;
  private final TrainableNetwork network;
  private final @Nullable StepHeads heads;
  private final LatentPath path;
  private final int[] close;
  private final DType dtype;
  private final TokenScores scores = new TokenScores(true);

  /**
   * Loads both; the backend is the caller's.
   *
   * @param stepLoss weight of the loss of {@link StepHeads}, 0 for none
   * @param bf16 whether the network's parameters are rounded to bf16, as they will be stored
   * @param recompute whether layers are computed again on the way back, to save memory
   */
  LatentModel(
      Path baseDirectory,
      Path networkDirectory,
      Backend backend,
      double stepLoss,
      boolean bf16,
      boolean recompute) {
    this.backend = backend;
    try {
      checkpoint = open(Checkpoint.open(baseDirectory));
      Tokenizer tokenizer = open(Tokenizer.load(baseDirectory));
      var prompts = new Prompts(tokenizer, ChatTemplate.load(baseDirectory).orElse(null));
      try (NetworkCheckpoint stored = NetworkCheckpoint.open(networkDirectory)) {
        config = stored.config().uncalibrated(); // what is saved has other weights
        if (config.baseHiddenSize() != checkpoint.config().hiddenSize()) {
          throw new TrainingException(
              networkDirectory
                  + ": this reasoning network is for a base model of hidden size "
                  + config.baseHiddenSize()
                  + ", but "
                  + baseDirectory
                  + " has hidden size "
                  + checkpoint.config().hiddenSize());
        }
        TensorLayout layout = TensorLayout.of(config);
        var shapes = new LinkedHashMap<>(layout.shapes());
        if (stepLoss > 0) {
          shapes.putAll(StepHeads.shapes(config.baseHiddenSize()));
        }
        parameters = open(new Parameters(new TensorLayout(layout.prefix(), shapes), backend, bf16));
        parameters.load(name -> StepHeads.owns(name) ? null : stored.tensor(name));
      }
      heads =
          stepLoss > 0
              ? open(new StepHeads(parameters, backend, stepLoss, config.baseHiddenSize()))
              : null;
      FrozenBase base = open(new FrozenBase(checkpoint, backend));
      network = open(new TrainableNetwork(config, parameters, backend, true, recompute));
      close = prompts.encode(config.close());
      encoder =
          new ProblemEncoder(
              prompts,
              vocabulary(checkpoint, tokenizer),
              end(checkpoint),
              checkpoint.config().maxPositions(),
              config.maxQuestion(),
              config.latents() + close.length);
      path = open(new LatentPath(base, close, backend, recompute));
      dtype = bf16 ? DType.BF16 : DType.F32;
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  static Vocabulary vocabulary(Checkpoint checkpoint, Tokenizer tokenizer) {
    return Vocabulary.of(
        checkpoint.config().vocabSize(), tokenizer, checkpoint.generation().eosTokenIds());
  }

  /** The token that ends an answer of this model. */
  static int end(Checkpoint checkpoint) {
    List<Integer> ends = checkpoint.generation().eosTokenIds();
    if (ends.isEmpty()) {
      throw new TrainingException(
          checkpoint.directory()
              + ": expected eos_token_id in config.json or generation_config.json, for answers to"
              + " end with, found none");
    }
    return ends.getFirst();
  }

  private <T extends AutoCloseable> T open(T resource) {
    closers.push(resource);
    return resource;
  }

  Backend backend() {
    return backend;
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  Vocabulary vocabulary() {
    return encoder.vocabulary();
  }

  ProblemEncoder encoder() {
    return encoder;
  }

  NetworkConfig config() {
    return config;
  }

  Parameters parameters() {
    return parameters;
  }

  TrainableNetwork network() {
    return network;
  }

  /** Those that read the latents while stage 1 trains, if they are wanted. */
  @Nullable StepHeads heads() {
    return heads;
  }

  LatentPath path() {
    return path;
  }

  /**
   * An optimiser for the network. Beside Muon, whose updates have a size of their own, the output
   * projection takes steps of the size of the base's embeddings, as its latents are as large.
   */
  Optimizer optimizer(OptimizerSettings settings) {
    double size = settings.muon() > 0 ? path.embeddingSize() : 1;
    return new Optimizer(
        parameters, settings, backend, name -> name.startsWith("out_proj.") ? size : 1);
  }

  /** Tokens between latents and answer. */
  int[] closing() {
    return close;
  }

  /**
   * The loss on held-out problems, and the part of them that greedy decoding answers word for word:
   * those of which every token is the most likely one.
   */
  SequencedMap<String, Double> evaluate(List<Example> heldOut, int batch) {
    double sum = 0;
    int tokens = 0;
    int right = 0;
    for (List<Example> part : Batches.of(heldOut, batch)) {
      path.encode(part);
      path.score(network, part, scores);
      PackedAnswers answers = path.answers();
      for (int i = 0; i < answers.tokens(); i++) {
        sum -= scores.logprobs[i];
      }
      tokens += answers.tokens();
      right += scores.rightAnswers(answers);
    }
    var metrics = new LinkedHashMap<String, Double>();
    metrics.put("eval_loss", sum / tokens);
    metrics.put("eval_accuracy", (double) right / heldOut.size());
    return metrics;
  }

  /** Writes the network as an ordinary checkpoint. */
  void save(Path directory) {
    CheckpointWriter.network(
        directory, config, name -> parameters.get(parameters.master(), name), dtype);
  }

  @Override
  public void close() {
    Resources.close(closers);
  }
}
