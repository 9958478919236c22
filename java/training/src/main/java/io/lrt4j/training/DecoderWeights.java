package io.lrt4j.training;

import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.DecoderSchema;
import io.lrt4j.model.ModelConfig;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The parameters of a decoder stack, or their gradients: the same shapes, all f32.
 *
 * @param layers one entry a layer
 * @param norm final norm, [hidden]
 */
record DecoderWeights(List<DecoderLayer<Tensor, Linear>> layers, Tensor norm) {
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
    var schema = DecoderSchema.stack(c, prefix, new Named(source));
    return new DecoderWeights(schema.layers(), schema.norm());
  }

  /** By name: shapes are those of the layout that the parameters were made for. */
  private record Named(Source source) implements DecoderSchema.Source<Tensor, Linear> {
    @Override
    public Tensor tensor(String name, long... shape) {
      return source.get(name);
    }

    @Override
    public Linear linear(boolean bias, long inputs, DecoderSchema.Part... parts) {
      return source.linear(
          bias, Arrays.stream(parts).map(DecoderSchema.Part::name).toArray(String[]::new));
    }
  }
}
