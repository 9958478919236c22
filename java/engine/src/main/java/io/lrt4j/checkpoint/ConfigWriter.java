package io.lrt4j.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Scaling;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The JSON files of a checkpoint, in the dialect of transformers 5. */
final class ConfigWriter {
  private static final JsonMapper MAPPER = new JsonMapper();

  private ConfigWriter() {}

  /** {@code config.json} of a base model without RoPE scaling or windows. */
  static ObjectNode model(ModelConfig c, GenerationDefaults generation) {
    ObjectNode json = MAPPER.createObjectNode();
    json.putArray("architectures").add(c.architecture());
    json.put("model_type", modelType(c));
    json.put("dtype", "bfloat16");
    json.put("vocab_size", c.vocabSize());
    json.put("tie_word_embeddings", c.tiedEmbeddings());
    decoder(json, c);
    json.putObject("rope_parameters")
        .put("rope_type", "default")
        .put("rope_theta", c.rope().theta());
    tokens(json, generation);
    return json;
  }

  static ObjectNode generation(GenerationDefaults g) {
    ObjectNode json = MAPPER.createObjectNode();
    json.put("do_sample", g.doSample());
    if (g.doSample()) {
      json.put("temperature", decimal(g.temperature()));
      json.put("top_k", g.topK());
      json.put("top_p", decimal(g.topP()));
    }
    tokens(json, g);
    return json;
  }

  /** {@code config.json} of a reasoning network. */
  static ObjectNode network(NetworkConfig c) {
    ObjectNode json = MAPPER.createObjectNode();
    json.put("model_type", NetworkConfig.MODEL_TYPE);
    json.put("base_model", c.baseModel());
    json.put("base_hidden_size", c.baseHiddenSize());
    json.put("num_latent_tokens", c.latents());
    json.put("fusion", NetworkConfig.spelled(c.fusion()));
    json.put("close", c.close());
    c.autoThreshold()
        .ifPresent(
            threshold ->
                json.put("auto_threshold", threshold)
                    .put("auto_confidence", NetworkConfig.spelled(c.autoConfidence())));
    ObjectNode backbone = json.putObject("backbone").put("model_type", modelType(c.backbone()));
    decoder(backbone, c.backbone());
    backbone.put("rope_theta", c.backbone().rope().theta());
    return json;
  }

  /** The index of a sharded checkpoint. */
  static ObjectNode index(long totalBytes, Map<String, String> shardOf) {
    ObjectNode json = MAPPER.createObjectNode();
    json.putObject("metadata").put("total_size", totalBytes);
    shardOf.forEach(json.putObject("weight_map")::put);
    return json;
  }

  static void write(Path file, ObjectNode json) {
    try {
      NewFile.write(file, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n");
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e); // a tree of plain values can always be written
    }
  }

  private static void decoder(ObjectNode json, ModelConfig c) {
    if (!(c.rope().scaling() instanceof Scaling.None) || c.slidingWindow() != 0) {
      throw new IllegalArgumentException("RoPE scaling and windows are not written");
    }
    json.put("hidden_size", c.hiddenSize());
    json.put("intermediate_size", c.intermediateSize());
    json.put("num_hidden_layers", c.layers());
    json.put("num_attention_heads", c.heads());
    json.put("num_key_value_heads", c.kvHeads());
    json.put("head_dim", c.headDim());
    json.put("rms_norm_eps", decimal(c.rmsNormEps()));
    json.put("max_position_embeddings", c.maxPositions());
    json.put("hidden_act", "silu");
    json.put("attention_bias", c.outputBias());
  }

  private static void tokens(ObjectNode json, GenerationDefaults g) {
    g.bosTokenId()
        .ifPresentOrElse(bos -> json.put("bos_token_id", bos), () -> json.putNull("bos_token_id"));
    List<Integer> eos = g.eosTokenIds();
    switch (eos.size()) {
      case 0 -> json.putNull("eos_token_id");
      case 1 -> json.put("eos_token_id", eos.getFirst());
      default -> eos.forEach(json.putArray("eos_token_id")::add);
    }
  }

  private static String modelType(ModelConfig c) {
    for (Family family : Family.values()) {
      if (family.architecture().equals(c.architecture())) {
        return family.modelType();
      }
    }
    throw new IllegalArgumentException(c.architecture());
  }

  /** The shortest decimal that reads back as the same float: 0.6, not 0.6000000238418579. */
  private static BigDecimal decimal(float value) {
    return new BigDecimal(Float.toString(value)).stripTrailingZeros();
  }
}
