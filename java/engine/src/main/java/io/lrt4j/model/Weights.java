package io.lrt4j.model;

import io.lrt4j.compute.Projection;
import io.lrt4j.compute.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a transformer, where the checkpoint has them.
 *
 * @param embedding [vocab, hidden]; null for a backbone without one
 * @param layers one entry a layer
 * @param norm final norm, [hidden]
 * @param head hidden to vocab, the embedding itself when tied; null for a backbone without one
 */
public record Weights(
    @Nullable Tensor embedding, List<Layer> layers, Tensor norm, @Nullable Projection head) {

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
      Projection qkv,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      Projection output,
      Tensor postNorm,
      Projection gateUp,
      Projection down) {}

  /** Where tensors come from: a checkpoint, by name. */
  @FunctionalInterface
  public interface Source {
    /** The named tensor, as it is stored; refuses a name that is missing. */
    Tensor get(String name);
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
              source.get(at + "input_layernorm.weight"),
              projection(
                  source,
                  c.qkvBias(),
                  attention + "q_proj",
                  attention + "k_proj",
                  attention + "v_proj"),
              c.qkNorm() ? source.get(attention + "q_norm.weight") : null,
              c.qkNorm() ? source.get(attention + "k_norm.weight") : null,
              projection(source, c.outputBias(), attention + "o_proj"),
              source.get(at + "post_attention_layernorm.weight"),
              projection(source, c.mlpBias(), mlp + "gate_proj", mlp + "up_proj"),
              projection(source, c.mlpBias(), mlp + "down_proj")));
    }
    Tensor norm = source.get(prefix + "norm.weight");
    if (c.vocabSize() == 0) {
      return new Weights(null, layers, norm, null);
    }
    Tensor embedding = source.get(prefix + "embed_tokens.weight");
    Tensor head = c.tiedEmbeddings() ? embedding : source.get("lm_head.weight");
    return new Weights(embedding, layers, norm, Projection.of(head, null));
  }

  private static Projection projection(Source source, boolean bias, String... names) {
    List<Projection.Part> parts = new ArrayList<>();
    for (String name : names) {
      parts.add(
          new Projection.Part(
              source.get(name + ".weight"), bias ? source.get(name + ".bias") : null));
    }
    return new Projection(parts);
  }
}
