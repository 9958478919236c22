package io.lrt4j.training;

import io.lrt4j.compute.Tensor;
import io.lrt4j.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a decoder stack, or their gradients: the same shapes, all f32.
 *
 * @param layers one entry a layer
 * @param norm final norm, [hidden]
 */
record DecoderWeights(List<Layer> layers, Tensor norm) {
  /**
   * One decoder layer.
   *
   * @param inputNorm [hidden]
   * @param qkv [(heads + 2 kvHeads) headDim, hidden]
   * @param queryNorm [headDim], or null without query/key norm
   * @param keyNorm [headDim], or null
   * @param output [hidden, heads headDim]
   * @param postNorm [hidden]
   * @param gateUp [2 intermediate, hidden]
   * @param down [hidden, intermediate]
   */
  record Layer(
      Tensor inputNorm,
      Linear qkv,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      Linear output,
      Tensor postNorm,
      Linear gateUp,
      Linear down) {}

  /**
   * A projection.
   *
   * @param weight [out, in]
   * @param bias [out], or null
   */
  record Linear(Tensor weight, @Nullable Tensor bias) {}

  /** Where the tensors come from. */
  @FunctionalInterface
  interface Source {
    /** The named tensors, one below the other as one. */
    Tensor get(String... names);

    /** The projection of these names, in one. */
    default Linear linear(boolean bias, String... names) {
      String[] weights = new String[names.length];
      String[] biases = new String[names.length];
      for (int i = 0; i < names.length; i++) {
        weights[i] = names[i] + ".weight";
        biases[i] = names[i] + ".bias";
      }
      return new Linear(get(weights), bias ? get(biases) : null);
    }
  }

  DecoderWeights {
    layers = List.copyOf(layers);
  }

  /**
   * Collects the parameters under their Hugging Face names.
   *
   * @param prefix {@code model.} for a language model, {@code backbone.} for a reasoning network's
   */
  static DecoderWeights of(ModelConfig c, String prefix, Source source) {
    List<Layer> layers = new ArrayList<>(c.layers());
    for (int l = 0; l < c.layers(); l++) {
      String at = prefix + "layers." + l + ".";
      String attention = at + "self_attn.";
      String mlp = at + "mlp.";
      layers.add(
          new Layer(
              source.get(at + "input_layernorm.weight"),
              source.linear(
                  c.qkvBias(), attention + "q_proj", attention + "k_proj", attention + "v_proj"),
              c.qkNorm() ? source.get(attention + "q_norm.weight") : null,
              c.qkNorm() ? source.get(attention + "k_norm.weight") : null,
              source.linear(c.outputBias(), attention + "o_proj"),
              source.get(at + "post_attention_layernorm.weight"),
              source.linear(c.mlpBias(), mlp + "gate_proj", mlp + "up_proj"),
              source.linear(c.mlpBias(), mlp + "down_proj")));
    }
    return new DecoderWeights(layers, source.get(prefix + "norm.weight"));
  }
}
