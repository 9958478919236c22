package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * {@code config.json} to {@link ModelConfig}, in both dialects, with the defaults of transformers
 * 5.18 and bounds on everything. Unknown keys are left alone; those that would change the
 * computation in the reference are either honoured or refused by name.
 */
final class ConfigParser {
  static final int MAX_VOCAB = 1 << 24;
  static final int MAX_WIDTH = 1 << 17;
  static final int MAX_INNER = 1 << 20;
  static final int MAX_LAYERS = 1024;
  static final int MAX_HEADS = 1 << 12;
  static final int MAX_HEAD_DIM = 1 << 12;

  private final Json json;
  private final Family family;

  private ConfigParser(Json json, Family family) {
    this.json = json;
    this.family = family;
  }

  /** A base model's config. */
  static ModelConfig model(Json json) {
    return new ConfigParser(json, Family.of(json))
        .parse(json.integer("vocab_size", 1, MAX_VOCAB), json.bool("tie_word_embeddings", false));
  }

  /** A reasoning network's backbone: a Qwen3 stack without vocabulary. */
  static ModelConfig backbone(Json json) {
    String type = json.stringOrNull("model_type");
    if (type != null && !type.equals(Family.QWEN3.modelType())) {
      throw new UnsupportedModelException(
          json.file()
              + ": "
              + json.name("model_type")
              + " must be \"qwen3\", found "
              + Json.quote(type));
    }
    return new ConfigParser(json, Family.QWEN3).parse(0, true);
  }

  private ModelConfig parse(int vocabSize, boolean tied) {
    refuseWhatIsNotRun();
    int hidden = json.integer("hidden_size", 1, MAX_WIDTH);
    int layers = json.integer("num_hidden_layers", 1, MAX_LAYERS);
    int heads = json.integer("num_attention_heads", 1, MAX_HEADS);
    int kvHeads = json.integer("num_key_value_heads", 1, heads, heads);
    if (heads % kvHeads != 0) {
      throw json.wrong("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
    }
    int maxPositions =
        json.integer("max_position_embeddings", 1, Integer.MAX_VALUE, family.defaultMaxPositions());
    boolean qwen2 = family == Family.QWEN2;
    boolean attentionBias = !qwen2 && json.bool("attention_bias", false);
    Rope rope = RopeParser.parse(json, maxPositions);
    List<Boolean> windowed = windowed(layers);
    int window =
        windowed.contains(true) ? json.integer("sliding_window", 1, Integer.MAX_VALUE, 4096) : 0;
    return new ModelConfig(
        family.architecture(),
        vocabSize,
        hidden,
        json.integer("intermediate_size", 1, MAX_INNER),
        layers,
        heads,
        kvHeads,
        headDim(hidden, heads),
        eps(),
        tied,
        qwen2 || attentionBias,
        attentionBias,
        family == Family.LLAMA && json.bool("mlp_bias", false),
        family == Family.QWEN3,
        rope,
        window,
        windowed,
        reach(rope.scaling(), maxPositions));
  }

  /**
   * The context: {@code max_position_embeddings} may stay the trained length where RoPE scaling
   * goes beyond it, as Qwen documents YaRN.
   */
  private static int reach(Scaling scaling, int maxPositions) {
    double extended =
        switch (scaling) {
          case Scaling.None none -> 0;
          case Scaling.Linear linear -> 0; // the trained length is not in the config
          case Scaling.Llama3 llama -> llama.factor() * llama.originalMaxPositions();
          case Scaling.Yarn yarn -> yarn.factor() * yarn.originalMaxPositions();
        };
    return Math.max(maxPositions, (int) extended); // a double beyond ints is the largest int
  }

  private void refuseWhatIsNotRun() {
    for (String key : List.of("quantization_config", "quantization", "compression_config")) {
      if (json.has(key)) {
        throw unsupported(
            key, quantisedBy(key) + "is not run: lrt4j runs weights in F32, F16 and BF16");
      }
    }
    if (json.has("per_layer_config")) {
      throw unsupported("per_layer_config", "is not run");
    }
    if (!json.bool("is_causal", true)) {
      throw unsupported("is_causal", "false is not run");
    }
    String activation = json.stringOrNull("hidden_act");
    if (activation != null && !activation.equals("silu") && !activation.equals("swish")) {
      throw unsupported("hidden_act", Json.quote(activation) + " is not run; lrt4j runs silu");
    }
  }

  /** By which tool, if the config says so. */
  private String quantisedBy(String key) {
    if (key.equals("quantization")) {
      return "(MLX) ";
    }
    Json settings = json.isObject(key) ? json.object(key) : Json.empty(json.file());
    String method = settings.isString("quant_method") ? settings.string("quant_method") : "";
    return method.isEmpty() ? "" : "(" + Json.brief(method) + ") ";
  }

  private int headDim(int hidden, int heads) {
    if (!json.has("head_dim") && family != Family.QWEN3 && hidden % heads != 0) {
      throw json.wrong("num_attention_heads", "a divisor of hidden_size, " + hidden);
    }
    int absent = family == Family.QWEN3 ? 128 : hidden / heads;
    int headDim = json.integer("head_dim", 1, MAX_HEAD_DIM, absent);
    if (headDim % 2 != 0 || headDim > MAX_HEAD_DIM) {
      throw new CheckpointException(
          json.file()
              + ": the head size must be even and at most "
              + MAX_HEAD_DIM
              + " for rotary embedding, found "
              + headDim);
    }
    return headDim;
  }

  private float eps() {
    float eps = (float) json.positive("rms_norm_eps", 1e-6);
    if (!(eps > 0 && eps < Float.POSITIVE_INFINITY)) {
      throw json.wrong("rms_norm_eps", "above 0 and finite as a 32-bit number");
    }
    return eps;
  }

  /**
   * Which layers see a window only. The reference drops {@code sliding_window} unless {@code
   * use_sliding_window}; {@code layer_types}, where given, has the last word over {@code
   * max_window_layers}.
   */
  private List<Boolean> windowed(int layers) {
    if (family == Family.LLAMA) {
      return unwindowed(layers);
    }
    boolean windows =
        json.bool("use_sliding_window", false)
            && (json.has("sliding_window") || !json.mentions("sliding_window"));
    if (!json.has("layer_types")) {
      int first = windows ? json.integer("max_window_layers", 0, Integer.MAX_VALUE, 28) : layers;
      var windowed = new ArrayList<Boolean>();
      for (int l = 0; l < layers; l++) {
        windowed.add(windows && l >= first);
      }
      return windowed;
    }
    List<Boolean> windowed = layerTypes(layers);
    if (windowed.contains(true) && !windows) {
      throw new CheckpointException(
          json.file()
              + ": \"layer_types\" has sliding_attention, but the config sets no sliding window");
    }
    return windowed;
  }

  /** Llama has no windows; keys that would give its cache one in the reference are refused. */
  private List<Boolean> unwindowed(int layers) {
    if (json.has("sliding_window")) {
      throw unsupported("sliding_window", "is not run for " + family.architecture());
    }
    if (json.has("layer_types") && layerTypes(layers).contains(true)) {
      throw unsupported("layer_types", "sliding_attention is not run for " + family.architecture());
    }
    return Collections.nCopies(layers, false);
  }

  private List<Boolean> layerTypes(int layers) {
    List<String> types = json.strings("layer_types");
    if (types.size() != layers) {
      throw new CheckpointException(
          json.file()
              + ": \"layer_types\" must have "
              + layers
              + " entries, one a layer, found "
              + types.size());
    }
    var windowed = new ArrayList<Boolean>();
    for (String type : types) {
      switch (type) {
        case "full_attention", "attention" -> windowed.add(false);
        case "sliding_attention" -> windowed.add(true);
        default -> throw unsupported("layer_types", Json.quote(type) + " is not run");
      }
    }
    return windowed;
  }

  private UnsupportedModelException unsupported(String key, String what) {
    return new UnsupportedModelException(json.file() + ": " + json.name(key) + " " + what);
  }
}
