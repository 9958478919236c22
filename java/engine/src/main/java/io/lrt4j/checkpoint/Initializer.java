package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Makes randomly initialised checkpoints: of published shapes, to benchmark without downloads, and
 * of reasoning networks, to train. Weights are bf16, and follow from the seed alone. What ends up
 * in the directory is complete or has no {@code config.json}, which is written last; what fails or
 * is stopped on the way is removed.
 */
public final class Initializer {
  /** Largest shard; transformers splits there as well. */
  private static final long SHARD_BYTES = 4L << 30;

  private static final double BASE_STD = 0.02;
  private static final double QUERY_STD = 1;
  private static final String CLOSE = "\n</think>\n\n";

  private Initializer() {}

  /**
   * Writes a base model: matrices normal with a standard deviation of 0.02, norms 1, biases 0.
   * There is no tokenizer with it; it runs by ids.
   *
   * @param preset one of {@link Presets#names()}
   * @param out a directory that does not exist or is empty
   * @throws CheckpointException if it cannot be written
   */
  public static void model(String preset, Path out, long seed) {
    model(preset, out, seed, _ -> {});
  }

  /**
   * The same, and what belongs to the model, before it is one: a process that is killed on the way
   * leaves no base alone.
   *
   * @param belonging is given the base and writes that, a network say; then comes {@code
   *     config.json}
   */
  public static void model(String preset, Path out, long seed, Consumer<Checkpoint> belonging) {
    model(Presets.named(preset), out, seed, SHARD_BYTES, belonging);
  }

  static void model(
      Presets.Preset preset, Path out, long seed, long shardBytes, Consumer<Checkpoint> belonging) {
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    TensorLayout.of(preset.config(), "model.")
        .shapes()
        .forEach((name, shape) -> entries.add(entry(name, shape, BASE_STD, seed)));
    try (var made = NewDirectory.at(out)) {
      writeTensors(out, entries, shardBytes);
      ConfigWriter.write(
          out.resolve("generation_config.json"), ConfigWriter.generation(preset.generation()));
      try (var base = Checkpoint.open(out, preset)) {
        belonging.accept(base);
      }
      ConfigWriter.write(
          out.resolve("config.json"), ConfigWriter.model(preset.config(), preset.generation()));
      made.complete();
    }
  }

  /**
   * Writes a reasoning network for a base model. Matrices are normal with variance 1 / inputs,
   * those that write to the residual stream with 1 / (2 layers inputs) so that it does not grow
   * with depth (GPT-2); the output projection is scaled such that latents are as large as the base
   * model's own token embeddings.
   *
   * @param base the base model's directory
   * @param out a directory that does not exist or is empty
   * @throws CheckpointException if the base cannot be read or the network cannot be written
   */
  public static void network(Path base, Path out, NetworkShape shape, long seed) {
    try (Checkpoint checkpoint = Checkpoint.open(base)) {
      network(checkpoint, out, shape, seed);
    }
  }

  /** The same for a base that is open. */
  public static void network(Checkpoint base, Path out, NetworkShape shape, long seed) {
    network(base, out, config(base, shape, shape.backbone(base.config())), seed, null);
  }

  /**
   * Writes a reasoning network whose decoder is that of a Qwen3 checkpoint, as the paper's is
   * Qwen3-Embedding: its first layers and its final norm; embedding and head are dropped. Where it
   * is as wide as the base, the projections in and out begin as the identity, out scaled as in
   * {@link #network(Path, Path, NetworkShape, long)}; queries, and projections between different
   * widths, are random as there.
   *
   * @param base the base model's directory
   * @param backbone the decoder's directory
   * @param layers how many of its layers; 0 for all
   * @param latents latent vectors, t
   * @param fusion how question and queries come together
   * @param out a directory that does not exist or is empty
   * @throws UnsupportedModelException if the backbone is no Qwen3 checkpoint or has fewer layers
   * @throws CheckpointException if one cannot be read or the network cannot be written
   */
  public static void network(
      Path base, Path backbone, int layers, int latents, Fusion fusion, Path out, long seed) {
    try (Checkpoint checkpoint = Checkpoint.open(base)) {
      network(checkpoint, backbone, layers, latents, fusion, out, seed);
    }
  }

  /** The same for a base that is open. */
  public static void network(
      Checkpoint base, Path backbone, int layers, int latents, Fusion fusion, Path out, long seed) {
    try (Backbone stored = Backbone.open(backbone)) {
      ModelConfig decoder = stored.config(layers, base.config().maxPositions() + latents);
      var shape =
          new NetworkShape(
              latents,
              fusion,
              decoder.hiddenSize(),
              decoder.intermediateSize(),
              decoder.layers(),
              decoder.heads(),
              decoder.kvHeads(),
              decoder.headDim());
      network(base, out, config(base, shape, decoder), seed, stored);
    }
  }

  private static void network(
      Checkpoint base, Path out, NetworkConfig config, long seed, @Nullable Backbone backbone) {
    double latentStd = rootMeanSquare(base.tensor("model.embed_tokens.weight"));
    double residual = 1 / Math.sqrt(2.0 * config.backbone().layers());
    boolean identity =
        backbone != null && config.baseHiddenSize() == config.backbone().hiddenSize();
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    TensorLayout.of(config)
        .shapes()
        .forEach(
            (name, dimensions) -> {
              if (backbone != null && name.startsWith("backbone.")) {
                entries.add(backbone.entry(name, dimensions));
                return;
              }
              double std = 1 / Math.sqrt(dimensions.getLast());
              if (name.equals("queries")) {
                std = QUERY_STD;
              } else if (name.equals("out_proj.weight")) {
                std *= latentStd;
              } else if (name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight")) {
                std *= residual;
              }
              if (identity && name.equals("in_proj.weight")) {
                entries.add(diagonal(name, dimensions, 1));
              } else if (identity && name.equals("out_proj.weight")) {
                entries.add(diagonal(name, dimensions, (float) latentStd));
              } else {
                entries.add(entry(name, dimensions, std, seed));
              }
            });
    try (var made = NewDirectory.at(out)) {
      writeTensors(out, entries, SHARD_BYTES);
      ConfigWriter.write(out.resolve("config.json"), ConfigWriter.network(config));
      made.complete();
    }
  }

  private static SafetensorsWriter.Entry diagonal(String name, List<Long> shape, float value) {
    return new SafetensorsWriter.Entry(
        name, DType.BF16, shape, RandomWeights.diagonal(value, shape.getLast()));
  }

  private static NetworkConfig config(Checkpoint base, NetworkShape shape, ModelConfig backbone) {
    return new NetworkConfig(
        String.valueOf(base.directory().toAbsolutePath().normalize().getFileName()),
        base.config().hiddenSize(),
        shape.latents(),
        shape.fusion(),
        CLOSE,
        backbone,
        OptionalDouble.empty(),
        ConfidenceMeasure.MEAN_LOGPROB);
  }

  private static SafetensorsWriter.Entry entry(
      String name, List<Long> shape, double std, long seed) {
    SafetensorsWriter.Filler filler;
    if (name.endsWith("norm.weight")) {
      filler = RandomWeights.constant(1);
    } else if (name.endsWith(".bias")) {
      filler = RandomWeights.constant(0);
    } else {
      filler = RandomWeights.normal(std, seed, name);
    }
    return new SafetensorsWriter.Entry(name, DType.BF16, shape, filler);
  }

  /** One file, or numbered shards with an index if it would be too large. */
  private static void writeTensors(
      Path out, List<SafetensorsWriter.Entry> entries, long shardBytes) {
    List<List<SafetensorsWriter.Entry>> shards = new ArrayList<>();
    long total = 0;
    long room = 0;
    for (SafetensorsWriter.Entry entry : entries) {
      if (shards.isEmpty() || entry.bytes() > room) {
        shards.add(new ArrayList<>());
        room = shardBytes;
      }
      shards.getLast().add(entry);
      room -= entry.bytes();
      total += entry.bytes();
    }
    Map<String, String> metadata = Map.of("format", "pt");
    if (shards.size() == 1) {
      SafetensorsWriter.write(out.resolve("model.safetensors"), metadata, entries);
      return;
    }
    Map<String, String> shardOf = new LinkedHashMap<>();
    for (int i = 0; i < shards.size(); i++) {
      String name =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      SafetensorsWriter.write(out.resolve(name), metadata, shards.get(i));
      shards.get(i).forEach(entry -> shardOf.put(entry.name(), name));
    }
    ConfigWriter.write(
        out.resolve("model.safetensors.index.json"), ConfigWriter.index(total, shardOf));
  }

  /** Root mean square of a tensor, from up to 2^16 of its elements. */
  private static double rootMeanSquare(StoredTensor tensor) {
    long stride = Math.max(1, tensor.elements() >> 16);
    double sum = 0;
    long n = 0;
    for (long i = 0; i < tensor.elements(); i += stride, n++) {
      float x = tensor.element(i);
      sum += (double) x * x;
    }
    double result = Math.sqrt(sum / n);
    // An embedding of zeros, or one with an infinity, has nothing to tell.
    return result > 0 && result < Float.MAX_VALUE ? result : BASE_STD;
  }
}
