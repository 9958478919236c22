package io.lrt4j.checkpoint;

import io.lrt4j.UnsupportedModelException;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;

/**
 * Rotary position embedding from either dialect: {@code rope_theta} beside {@code rope_scaling}, or
 * all of it under {@code rope_parameters}. Precedence and defaults are those of transformers 5.18,
 * {@code modeling_rope_utils.py}.
 */
final class RopeParser {
  private static final double DEFAULT_THETA = 10_000;

  private RopeParser() {}

  static Rope parse(Json config, int maxPositions) {
    // An empty "rope_scaling" is false in Python, and so does not hide "rope_parameters".
    String key = nonEmpty(config, "rope_scaling") ? "rope_scaling" : "rope_parameters";
    wholeRotation(config);
    if (!nonEmpty(config, key)) {
      return new Rope(config.positive("rope_theta", DEFAULT_THETA), new Scaling.None());
    }
    Json rope = config.object(key);
    for (String layerType : new String[] {"full_attention", "sliding_attention"}) {
      if (rope.has(layerType)) {
        throw new UnsupportedModelException(
            config.file() + ": " + rope.name(layerType) + ", RoPE by layer type, is not run");
      }
    }
    wholeRotation(rope);
    Scaling scaling = scaling(config, rope, maxPositions);
    double theta = (rope.has("rope_theta") ? rope : config).positive("rope_theta", DEFAULT_THETA);
    if (scaling instanceof Scaling.Yarn && theta <= 1) {
      throw rope.wrong("rope_theta", "above 1: YaRN divides by its logarithm");
    }
    return new Rope(theta, scaling);
  }

  private static Scaling scaling(Json config, Json rope, int maxPositions) {
    String type = rope.stringOrNull("rope_type");
    if (type == null) {
      type = rope.stringOrNull("type");
    }
    return switch (type == null ? "default" : type) {
      case "default" -> new Scaling.None();
      case "linear" -> new Scaling.Linear(rope.positive("factor"));
      case "llama3" -> llama3(rope, originalPositions(config, rope, maxPositions));
      case "yarn" -> yarn(rope, originalPositions(config, rope, maxPositions), maxPositions);
      default ->
          throw new UnsupportedModelException(
              config.file()
                  + ": RoPE scaling "
                  + Json.quote(String.valueOf(type))
                  + " is not run; lrt4j runs default, linear, llama3, yarn");
    };
  }

  private static Scaling llama3(Json rope, int originalPositions) {
    double low = rope.positive("low_freq_factor");
    double high = rope.positive("high_freq_factor");
    if (high <= low) {
      throw rope.wrong("high_freq_factor", "above low_freq_factor, " + low);
    }
    return new Scaling.Llama3(rope.positive("factor"), low, high, originalPositions);
  }

  private static Scaling yarn(Json rope, int originalPositions, int maxPositions) {
    if (!rope.mentions("factor")) {
      throw rope.wrong("factor", "a number above 0");
    }
    double factor = rope.positive("factor", (double) maxPositions / originalPositions);
    double attentionFactor =
        rope.has("attention_factor")
            ? rope.number("attention_factor", 0, Float.MAX_VALUE)
            : attentionFactor(rope, factor);
    double fast = orDefault(rope.number("beta_fast", 0, Float.MAX_VALUE, 0), 32);
    double slow = orDefault(rope.number("beta_slow", 0, Float.MAX_VALUE, 0), 1);
    // A null is false here, and only here: the reference asks for the key, not for its value.
    boolean truncate = rope.bool("truncate", !rope.mentions("truncate"));
    return new Scaling.Yarn(factor, originalPositions, fast, slow, attentionFactor, truncate);
  }

  /** Temperature of the attention: 0.1 ln(factor) + 1 (YaRN, section 3.4), or its DeepSeek form. */
  private static double attentionFactor(Json rope, double factor) {
    double mscale = rope.number("mscale", -Float.MAX_VALUE, Float.MAX_VALUE, 0);
    double allDim = rope.number("mscale_all_dim", -Float.MAX_VALUE, Float.MAX_VALUE, 0);
    if (mscale == 0 || allDim == 0) {
      return mscale(factor, 1);
    }
    double attention = mscale(factor, mscale) / mscale(factor, allDim);
    if (!(attention >= 0 && attention <= Float.MAX_VALUE)) {
      throw rope.wrong("mscale", "such that it gives an attention factor from 0 up");
    }
    return attention;
  }

  private static double mscale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }

  private static double orDefault(double value, double absent) {
    return value == 0 ? absent : value;
  }

  /** The length of pre-training; a top-level value has precedence over the one among the rest. */
  private static int originalPositions(Json config, Json rope, int maxPositions) {
    String key = "original_max_position_embeddings";
    Json from = config.has(key) ? config : rope;
    return from.integer(key, 1, Integer.MAX_VALUE, maxPositions);
  }

  private static void wholeRotation(Json json) {
    if (json.positive("partial_rotary_factor", 1) != 1) {
      throw new UnsupportedModelException(
          json.file()
              + ": "
              + json.name("partial_rotary_factor")
              + " other than 1 is not run, found "
              + json.positive("partial_rotary_factor"));
    }
  }

  private static boolean nonEmpty(Json json, String key) {
    return json.has(key) && !json.object(key).keys().isEmpty();
  }
}
