package io.lrt4j.model;

import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a transformer, in the hands of a backend.
 *
 * @param embedding [vocab, hidden]; null for a backbone without one
 * @param layers one entry a layer
 * @param norm final norm, [hidden]
 * @param head hidden to vocab, the embedding itself when tied; null for a backbone without one
 */
public record Weights(
    @Nullable Tensor embedding, List<Layer> layers, Tensor norm, @Nullable Linear head) {

  /**
   * One decoder layer.
   *
   * @param inputNorm [hidden]
   * @param qkv hidden to (heads + 2 kvHeads) headDim, in three parts
   * @param queryNorm [headDim], or null without query/key norm
   * @param keyNorm [headDim], or null
   * @param output heads * headDim to hidden
   * @param postNorm [hidden]
   * @param gateUp hidden to 2 * intermediate, in two parts
   * @param down intermediate to hidden
   */
  public record Layer(
      Tensor inputNorm,
      Linear qkv,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      Linear output,
      Tensor postNorm,
      Linear gateUp,
      Linear down) {}

  /** Where parameters come from: a checkpoint in a backend's hands, or a training run. */
  public interface Source {
    /** The named tensor; refuses a name that is missing. */
    Tensor tensor(String name);

    /**
     * The layers of these names as one projection: {@code NAME.weight} and, with {@code bias},
     * {@code NAME.bias} of each.
     */
    Linear linear(boolean bias, String... names);
  }

  public Weights {
    layers = List.copyOf(layers);
  }

  /**
   * Collects the parameters under their Hugging Face names.
   *
   * @param prefix {@code model.} for a language model, {@code backbone.} for a reasoning network's
   */
  public static Weights of(ModelConfig c, String prefix, Source source) {
    List<Layer> layers = new ArrayList<>(c.layers());
    for (int l = 0; l < c.layers(); l++) {
      String at = prefix + "layers." + l + ".";
      String attention = at + "self_attn.";
      String mlp = at + "mlp.";
      layers.add(
          new Layer(
              source.tensor(at + "input_layernorm.weight"),
              source.linear(
                  c.qkvBias(), attention + "q_proj", attention + "k_proj", attention + "v_proj"),
              c.qkNorm() ? source.tensor(attention + "q_norm.weight") : null,
              c.qkNorm() ? source.tensor(attention + "k_norm.weight") : null,
              source.linear(c.outputBias(), attention + "o_proj"),
              source.tensor(at + "post_attention_layernorm.weight"),
              source.linear(c.mlpBias(), mlp + "gate_proj", mlp + "up_proj"),
              source.linear(c.mlpBias(), mlp + "down_proj")));
    }
    Tensor norm = source.tensor(prefix + "norm.weight");
    if (c.vocabSize() == 0) {
      return new Weights(null, layers, norm, null);
    }
    Tensor embedding = source.tensor(prefix + "embed_tokens.weight");
    Linear head = source.linear(false, c.tiedEmbeddings() ? prefix + "embed_tokens" : "lm_head");
    return new Weights(embedding, layers, norm, head);
  }
}
