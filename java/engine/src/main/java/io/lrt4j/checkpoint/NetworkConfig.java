package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.model.ModelConfig;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/**
 * {@code config.json} of a reasoning network.
 *
 * @param baseModel name of the base model it was made for, for people to read
 * @param baseHiddenSize hidden size of the base model, d
 * @param latents latent vectors it computes, t
 * @param fusion how question and queries come together
 * @param close text that closes the thinking block after the latents
 * @param backbone a Qwen3 stack without vocabulary; its hidden size is g
 * @param autoThreshold {@code auto} thinks in text when the latent answer's confidence is below;
 *     empty when the network is not calibrated
 * @param autoConfidence the confidence that the threshold is about
 */
public record NetworkConfig(
    String baseModel,
    int baseHiddenSize,
    int latents,
    Fusion fusion,
    String close,
    ModelConfig backbone,
    OptionalDouble autoThreshold,
    ConfidenceMeasure autoConfidence) {

  static final String MODEL_TYPE = "lrt_reasoning_network";
  static final int MAX_LATENTS = 1 << 16;

  /** Longest question it can take, n: the backbone's positions are for question and queries. */
  public int maxQuestion() {
    return fusion == Fusion.APPEND ? backbone.maxPositions() - latents : Integer.MAX_VALUE;
  }

  /** The same with a threshold for {@code auto}. */
  public NetworkConfig calibrated(double threshold, ConfidenceMeasure measure) {
    return calibrated(OptionalDouble.of(threshold), measure);
  }

  /** The same without a threshold for {@code auto}, as for other weights than it was found on. */
  public NetworkConfig uncalibrated() {
    return calibrated(OptionalDouble.empty(), ConfidenceMeasure.MEAN_LOGPROB);
  }

  private NetworkConfig calibrated(OptionalDouble threshold, ConfidenceMeasure measure) {
    return new NetworkConfig(
        baseModel, baseHiddenSize, latents, fusion, close, backbone, threshold, measure);
  }

  static boolean describedBy(Json json) {
    return json.has("model_type") && MODEL_TYPE.equals(json.string("model_type"));
  }

  static NetworkConfig parse(Json json) {
    if (!describedBy(json)) {
      throw new CheckpointException(
          json.file()
              + ": expected a reasoning network (\"model_type\": \""
              + MODEL_TYPE
              + "\"), found "
              + (json.has("architectures") ? "a base model's config" : "a config of another kind"));
    }
    return new NetworkConfig(
        json.has("base_model") ? json.string("base_model") : "",
        json.integer("base_hidden_size", 1, ConfigParser.MAX_WIDTH),
        json.integer("num_latent_tokens", 1, MAX_LATENTS),
        named(Fusion.values(), json, "fusion"),
        json.string("close"),
        ConfigParser.backbone(json.object("backbone")),
        json.has("auto_threshold")
            ? OptionalDouble.of(json.number("auto_threshold", -Double.MAX_VALUE, Double.MAX_VALUE))
            : OptionalDouble.empty(),
        json.has("auto_confidence")
            ? named(ConfidenceMeasure.values(), json, "auto_confidence")
            : ConfidenceMeasure.MEAN_LOGPROB);
  }

  private static <E extends Enum<E>> E named(E[] values, Json json, String key) {
    String name = json.string(key);
    for (E value : values) {
      if (spelled(value).equals(name)) {
        return value;
      }
    }
    throw json.wrong(
        key, Arrays.stream(values).map(NetworkConfig::spelled).collect(Collectors.joining(" or ")));
  }

  /** How an enum's value is spelled in JSON. */
  static String spelled(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }
}
