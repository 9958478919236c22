package io.lrt4j.checkpoint;

import io.lrt4j.UnsupportedModelException;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;
import java.util.Collections;

/**
 * The size of a reasoning network to make.
 *
 * @param latents latent vectors, t
 * @param fusion how question and queries come together
 * @param hidden width of the backbone, g
 * @param intermediate width of its MLP
 * @param layers its layers
 * @param heads its query heads
 * @param kvHeads its key/value heads; divides {@code heads}
 * @param headDim width of one head; even
 */
public record NetworkShape(
    int latents,
    Fusion fusion,
    int hidden,
    int intermediate,
    int layers,
    int heads,
    int kvHeads,
    int headDim) {

  public NetworkShape {
    require("latents", latents, 1, NetworkConfig.MAX_LATENTS);
    require("hidden size", hidden, 1, ConfigParser.MAX_WIDTH);
    require("intermediate size", intermediate, 1, ConfigParser.MAX_INNER);
    require("layers", layers, 1, ConfigParser.MAX_LAYERS);
    require("heads", heads, 1, ConfigParser.MAX_HEADS);
    require("key/value heads", kvHeads, 1, heads);
    require("head size", headDim, 2, ConfigParser.MAX_HEAD_DIM);
    if (heads % kvHeads != 0 || headDim % 2 != 0) {
      throw new UnsupportedModelException(
          "a reasoning network needs key/value heads that divide the heads and an even head size,"
              + " found "
              + heads
              + ", "
              + kvHeads
              + " and "
              + headDim);
    }
  }

  private static void require(String what, int found, int min, int max) {
    if (found < min || found > max) {
      throw new UnsupportedModelException(
          "a reasoning network's " + what + " must be " + min + " to " + max + ", found " + found);
    }
  }

  /**
   * What suits a base model: the shape of Qwen3-Embedding-0.6B with 256 latents, as in the paper;
   * for a base that is itself smaller than that, a few of the base's own layers and 64 latents.
   */
  public static NetworkShape suiting(ModelConfig base) {
    if (base.hiddenSize() >= 1024) {
      return new NetworkShape(256, Fusion.APPEND, 1024, 3072, 28, 16, 8, 128);
    }
    return new NetworkShape(
        64,
        Fusion.APPEND,
        base.hiddenSize(),
        base.intermediateSize(),
        Math.clamp(base.layers() / 2, 2, 4),
        base.heads(),
        base.kvHeads(),
        base.headDim());
  }

  public NetworkShape withLatents(int latents) {
    return new NetworkShape(latents, fusion, hidden, intermediate, layers, heads, kvHeads, headDim);
  }

  public NetworkShape withFusion(Fusion fusion) {
    return new NetworkShape(latents, fusion, hidden, intermediate, layers, heads, kvHeads, headDim);
  }

  public NetworkShape withLayers(int layers) {
    return new NetworkShape(latents, fusion, hidden, intermediate, layers, heads, kvHeads, headDim);
  }

  /** The backbone for all questions of a base, with positions rotated as they are there. */
  ModelConfig backbone(ModelConfig base) {
    int maxPositions = (int) Math.min(Integer.MAX_VALUE, (long) base.maxPositions() + latents);
    return new ModelConfig(
        Family.QWEN3.architecture(),
        0,
        hidden,
        intermediate,
        layers,
        heads,
        kvHeads,
        headDim,
        1e-6f,
        true,
        false,
        false,
        false,
        true,
        new Rope(base.rope().theta(), new Scaling.None()),
        0,
        Collections.nCopies(layers, false),
        maxPositions);
  }
}
