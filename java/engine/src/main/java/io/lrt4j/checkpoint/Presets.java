package io.lrt4j.checkpoint;

import io.lrt4j.UnsupportedModelException;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Published shapes by name, for randomly initialised checkpoints without a download. */
public final class Presets {
  /**
   * A shape with the sampling defaults it was published with.
   *
   * @param config the model
   * @param generation its {@code generation_config.json}
   */
  public record Preset(ModelConfig config, GenerationDefaults generation) {}

  private static final Map<String, Preset> ALL = all();

  private Presets() {}

  /** All names, smallest first. */
  public static List<String> names() {
    return List.copyOf(ALL.keySet());
  }

  /**
   * The preset of that name.
   *
   * @throws UnsupportedModelException if there is none
   */
  public static Preset named(String name) {
    Preset preset = ALL.get(name);
    if (preset == null) {
      throw new UnsupportedModelException(
          "expected a preset, one of "
              + String.join(", ", ALL.keySet())
              + ", found "
              + Json.quote(name));
    }
    return preset;
  }

  private static Map<String, Preset> all() {
    var all = new LinkedHashMap<String, Preset>();
    all.put(
        "tiny",
        new Preset(
            model(Family.QWEN3, 512, 64, 192, 4, 4, 2, 32, true, 1e6, 2048),
            new GenerationDefaults(List.of(), OptionalInt.empty(), false, 1, 50, 1, 0, 1)));
    all.put("qwen3-0.6b", qwen3(1024, 3072, 28, 16, true));
    all.put(
        "r1-distill-qwen-1.5b",
        r1(model(Family.QWEN2, 151936, 1536, 8960, 28, 12, 2, 128, false, 1e4, 131072)));
    all.put("qwen3-1.7b", qwen3(2048, 6144, 28, 16, true));
    all.put("qwen3-4b", qwen3(2560, 9728, 36, 32, true));
    all.put(
        "r1-distill-qwen-7b",
        r1(model(Family.QWEN2, 152064, 3584, 18944, 28, 28, 4, 128, false, 1e4, 131072)));
    all.put("qwen3-8b", qwen3(4096, 12288, 36, 32, false));
    return Collections.unmodifiableMap(all);
  }

  private static Preset qwen3(int hidden, int intermediate, int layers, int heads, boolean tied) {
    return new Preset(
        model(Family.QWEN3, 151936, hidden, intermediate, layers, heads, 8, 128, tied, 1e6, 40960),
        new GenerationDefaults(
            List.of(151645, 151643), OptionalInt.of(151643), true, 0.6f, 20, 0.95f, 0, 1));
  }

  private static Preset r1(ModelConfig config) {
    return new Preset(
        config,
        new GenerationDefaults(
            List.of(151643), OptionalInt.of(151646), true, 0.6f, 50, 0.95f, 0, 1));
  }

  private static ModelConfig model(
      Family family,
      int vocab,
      int hidden,
      int intermediate,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      boolean tied,
      double theta,
      int maxPositions) {
    return new ModelConfig(
        family.architecture(),
        vocab,
        hidden,
        intermediate,
        layers,
        heads,
        kvHeads,
        headDim,
        1e-6f,
        tied,
        family == Family.QWEN2,
        false,
        false,
        family == Family.QWEN3,
        new Rope(theta, new Scaling.None()),
        0,
        Collections.nCopies(layers, false),
        maxPositions);
  }
}
