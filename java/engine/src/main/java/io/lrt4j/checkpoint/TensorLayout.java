package io.lrt4j.checkpoint;

import io.lrt4j.model.DecoderSchema;
import io.lrt4j.model.ModelConfig;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.LongStream;

/**
 * The tensors that a config implies: their Hugging Face names and their shapes, in the order in
 * which the computation meets them. Weight matrices are [outputs, inputs].
 *
 * @param prefix what the names of the decoder begin with: {@code "model."}, or {@code "backbone."}
 *     in a reasoning network
 * @param shapes name to dimensions
 */
public record TensorLayout(String prefix, Map<String, List<Long>> shapes) {

  private static final Predicate<String> HARMLESS =
      Pattern.compile("rotary_emb\\.inv_freq$|\\.(q|k|v|kv|prob)_scale$").asPredicate();

  public TensorLayout {
    shapes = Collections.unmodifiableMap(new LinkedHashMap<>(shapes));
  }

  /**
   * The layout of a model; embedding and head only if it has a vocabulary, a head of its own only
   * if the embedding is not tied.
   */
  public static TensorLayout of(ModelConfig c, String prefix) {
    var names = new Names();
    var _ = DecoderSchema.of(c, prefix, names);
    return new TensorLayout(prefix, names.shapes);
  }

  /** Notes every name once, with its shape: a tied head is the embedding again. */
  private static final class Names implements DecoderSchema.Source<String, String> {
    private final Map<String, List<Long>> shapes = new LinkedHashMap<>();

    @Override
    public String tensor(String name, long... shape) {
      shapes.put(name, LongStream.of(shape).boxed().toList());
      return name;
    }

    @Override
    public String linear(boolean bias, long inputs, DecoderSchema.Part... parts) {
      for (DecoderSchema.Part part : parts) {
        TensorLayout.linear(shapes, part.name(), part.outputs(), inputs, bias);
      }
      return parts[0].name();
    }
  }

  private static void linear(
      Map<String, List<Long>> shapes, String name, long outputs, long inputs, boolean bias) {
    shapes.put(name + ".weight", List.of(outputs, inputs));
    if (bias) {
      shapes.put(name + ".bias", List.of(outputs));
    }
  }

  /**
   * The layout of a reasoning network between a base model of width d and its own backbone of width
   * g: projections in and out, t queries, and the backbone.
   */
  public static TensorLayout of(NetworkConfig c) {
    long d = c.baseHiddenSize();
    long g = c.backbone().hiddenSize();
    var shapes = new LinkedHashMap<String, List<Long>>();
    linear(shapes, "in_proj", g, d, true);
    shapes.put("queries", List.of((long) c.latents(), g));
    shapes.putAll(of(c.backbone(), "backbone.").shapes);
    linear(shapes, "out_proj", d, g, true);
    return new TensorLayout("backbone.", shapes);
  }

  /** Number of elements of all tensors together. */
  public long parameters() {
    return shapes.values().stream().mapToLong(TensorLayout::elements).sum();
  }

  /** Number of elements of one shape. */
  static long elements(List<Long> shape) {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  /**
   * Tells of a tensor that the layout does not have whether it would change the computation: it
   * belongs to a part that the layout does have, a bias of a projection or another norm of a layer,
   * say. What lies outside (further layers, heads for other ends) does not; nor do buffers whose
   * values follow from the config, the scales of a quantised K/V cache, or a head beside a tied
   * embedding.
   */
  Predicate<String> contradictions() {
    var modules = new HashSet<String>();
    for (String name : shapes.keySet()) {
      modules.add(module(name));
      modules.add(layer(name));
    }
    if (shapes.containsKey(prefix + "embed_tokens.weight")) {
      modules.add("lm_head");
    }
    modules.remove("");
    return name ->
        !shapes.containsKey(name)
            && !name.equals("lm_head.weight")
            && !HARMLESS.test(name)
            && (modules.contains(module(name)) || modules.contains(layer(name)));
  }

  private static String module(String name) {
    return name.substring(0, Math.max(name.lastIndexOf('.'), 0));
  }

  /** The decoder layer that a tensor is of, {@code model.layers.0.}; empty if it is of none. */
  private String layer(String name) {
    String layers = prefix + "layers.";
    return name.startsWith(layers) ? name.substring(0, name.indexOf('.', layers.length()) + 1) : "";
  }
}
