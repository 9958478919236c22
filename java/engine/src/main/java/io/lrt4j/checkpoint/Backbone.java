package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.LoadListener;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;

/** A Qwen3 checkpoint that a reasoning network takes its decoder from. */
final class Backbone implements AutoCloseable {
  private static final String PREFIX = "model.";
  private static final ValueLayout.OfShort BF16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path directory;
  private final ModelConfig config;
  private final TensorFiles tensors;

  private Backbone(Path directory, ModelConfig config, TensorFiles tensors) {
    this.directory = directory;
    this.config = config;
    this.tensors = tensors;
  }

  /**
   * Opens a directory and checks it. Embedding models store their tensors without the {@code
   * model.} in front; both are read.
   *
   * @throws CheckpointException if it is damaged or incomplete
   * @throws UnsupportedModelException if it is no Qwen3 model
   */
  static Backbone open(Path directory) {
    ModelFiles files = ModelFiles.of(directory);
    Json json = Json.read(files.require("config.json"));
    if (NetworkConfig.describedBy(json)) {
      throw new CheckpointException(
          directory + ": expected a Qwen3 checkpoint as backbone, found a reasoning network");
    }
    ModelConfig config = ConfigParser.model(json);
    if (!config.qkNorm()
        || config.qkvBias()
        || !(config.rope().scaling() instanceof Scaling.None)) {
      throw new UnsupportedModelException(
          directory
              + ": a backbone must be a Qwen3 checkpoint without RoPE scaling, found "
              + config.architecture());
    }
    TensorFiles tensors = TensorFiles.open(files, LoadListener.NONE);
    try {
      TensorLayout layout = TensorLayout.of(decoder(config, config.layers(), 0), PREFIX);
      tensors.aliasWithoutPrefix(layout);
      List<String> _ = tensors.check(layout);
      tensors.place(Access.MAP, layout);
      return new Backbone(directory, config, tensors);
    } catch (Throwable e) {
      tensors.close();
      throw e;
    }
  }

  /**
   * The decoder's config with the first layers only and without a vocabulary.
   *
   * @param layers how many; 0 for all
   * @param positions that it has to reach at least
   */
  ModelConfig config(int layers, int positions) {
    if (layers > config.layers()) {
      throw new UnsupportedModelException(
          directory + ": expected a backbone of " + layers + " layers, found " + config.layers());
    }
    return decoder(config, layers == 0 ? config.layers() : layers, positions);
  }

  private static ModelConfig decoder(ModelConfig config, int layers, int positions) {
    return new ModelConfig(
        config.architecture(),
        0,
        config.hiddenSize(),
        config.intermediateSize(),
        layers,
        config.heads(),
        config.kvHeads(),
        config.headDim(),
        config.rmsNormEps(),
        true,
        false,
        false,
        false,
        true,
        new Rope(config.rope().theta(), new Scaling.None()),
        0,
        Collections.nCopies(layers, false),
        Math.max(config.maxPositions(), positions));
  }

  /** The tensor of a network's decoder, {@code backbone.…}, out of this one's. */
  SafetensorsWriter.Entry entry(String name, List<Long> shape) {
    StoredTensor stored = tensors.require(PREFIX + name.substring("backbone.".length()));
    return new SafetensorsWriter.Entry(
        name,
        DType.BF16,
        shape,
        (offset, chunk) -> {
          for (long at = 0; at < chunk.byteSize(); at += 2) {
            chunk.set(BF16, at, RandomWeights.bf16(stored.element((offset + at) / 2)));
          }
        });
  }

  @Override
  public void close() {
    tensors.close();
  }
}
