package io.lrt4j.model;

import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Tensor;
import java.util.Arrays;
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
    @Nullable Tensor embedding,
    List<DecoderLayer<Tensor, Linear>> layers,
    Tensor norm,
    @Nullable Linear head) {
  /** Where parameters come from: a checkpoint in a backend's hands, or a training run. */
  public interface Source {
    /** The named tensor; refuses a name that is missing. */
    Tensor tensor(String name);

    /**
     * The layers of these names as one projection: {@code NAME.weight} and, with {@code bias},
     * {@code NAME.bias} of each.
     */
    Linear linear(boolean bias, String... names);

    /**
     * What is embedded from where the head is made of the same weight.
     *
     * @param name of that weight
     * @param embedding what {@link #tensor} made of it
     * @param head what {@link #linear} made of it
     */
    default Tensor tied(String name, Tensor embedding, Linear head) {
      return embedding;
    }
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
    var schema = DecoderSchema.of(c, prefix, new Loading(source));
    Tensor embedding = schema.embedding();
    Linear head = schema.head();
    if (c.tiedEmbeddings() && embedding != null && head != null) {
      embedding = source.tied(prefix + "embed_tokens.weight", embedding, head);
    }
    return new Weights(embedding, schema.layers(), schema.norm(), head);
  }

  /** By name: shapes are the source's business. */
  private record Loading(Source source) implements DecoderSchema.Source<Tensor, Linear> {
    @Override
    public Tensor tensor(String name, long... shape) {
      return source.tensor(name);
    }

    @Override
    public Linear linear(boolean bias, long inputs, DecoderSchema.Part... parts) {
      return source.linear(
          bias, Arrays.stream(parts).map(DecoderSchema.Part::name).toArray(String[]::new));
    }
  }
}
