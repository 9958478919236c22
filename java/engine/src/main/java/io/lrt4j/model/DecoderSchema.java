package io.lrt4j.model;

import io.lrt4j.compute.DecoderLayer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The one place that says which tensors a decoder has: their Hugging Face names, their shapes, and
 * what each is for. Whoever checks, loads, makes or trains weights goes through it, with {@code V}
 * for a tensor and {@code P} for a projection in its own hands.
 *
 * @param embedding [vocab, hidden]; null for a backbone without one
 * @param layers one entry a layer
 * @param norm final norm, [hidden]
 * @param head hidden to vocab, out of the embedding itself when tied; null for a backbone
 */
public record DecoderSchema<V, P>(
    @Nullable V embedding, List<DecoderLayer<V, P>> layers, V norm, @Nullable P head) {

  /**
   * A part of a projection: {@code NAME.weight}, [outputs, inputs], and perhaps {@code NAME.bias},
   * [outputs].
   */
  public record Part(String name, long outputs) {}

  /** What becomes of each; asked in the order in which the computation meets them. */
  public interface Source<V, P> {
    V tensor(String name, long... shape);

    /** Parts that are computed together, with a bias for each or for none. */
    P linear(boolean bias, long inputs, Part... parts);
  }

  public DecoderSchema {
    layers = List.copyOf(layers);
  }

  /**
   * The tensors that a config implies; embedding and head only if it has a vocabulary, a head of
   * its own only if the embedding is not tied.
   *
   * @param prefix {@code model.} for a language model, {@code backbone.} for a reasoning network's
   */
  public static <V, P> DecoderSchema<V, P> of(ModelConfig c, String prefix, Source<V, P> source) {
    return of(c, prefix, source, c.vocabSize() > 0);
  }

  /** Layers and final norm alone, of a model that may have an embedding and a head too. */
  public static <V, P> DecoderSchema<V, P> stack(
      ModelConfig c, String prefix, Source<V, P> source) {
    return of(c, prefix, source, false);
  }

  private static <V, P> DecoderSchema<V, P> of(
      ModelConfig c, String prefix, Source<V, P> source, boolean speaks) {
    long vocab = c.vocabSize();
    long hidden = c.hiddenSize();
    V embedding = speaks ? source.tensor(prefix + "embed_tokens.weight", vocab, hidden) : null;
    List<DecoderLayer<V, P>> layers = new ArrayList<>(c.layers());
    for (int l = 0; l < c.layers(); l++) {
      layers.add(layer(c, prefix + "layers." + l + ".", source));
    }
    V norm = source.tensor(prefix + "norm.weight", hidden);
    String head = c.tiedEmbeddings() ? prefix + "embed_tokens" : "lm_head";
    return new DecoderSchema<>(
        embedding,
        layers,
        norm,
        speaks ? source.linear(false, hidden, new Part(head, vocab)) : null);
  }

  private static <V, P> DecoderLayer<V, P> layer(ModelConfig c, String at, Source<V, P> source) {
    String attention = at + "self_attn.";
    String mlp = at + "mlp.";
    long hidden = c.hiddenSize();
    long inner = c.intermediateSize();
    return new DecoderLayer<>(
        source.tensor(at + "input_layernorm.weight", hidden),
        source.linear(
            c.qkvBias(),
            hidden,
            new Part(attention + "q_proj", c.queryDim()),
            new Part(attention + "k_proj", c.kvDim()),
            new Part(attention + "v_proj", c.kvDim())),
        c.qkNorm() ? source.tensor(attention + "q_norm.weight", c.headDim()) : null,
        c.qkNorm() ? source.tensor(attention + "k_norm.weight", c.headDim()) : null,
        source.linear(c.outputBias(), c.queryDim(), new Part(attention + "o_proj", hidden)),
        source.tensor(at + "post_attention_layernorm.weight", hidden),
        source.linear(
            c.mlpBias(),
            hidden,
            new Part(mlp + "gate_proj", inner),
            new Part(mlp + "up_proj", inner)),
        source.linear(c.mlpBias(), inner, new Part(mlp + "down_proj", hidden)));
  }
}
