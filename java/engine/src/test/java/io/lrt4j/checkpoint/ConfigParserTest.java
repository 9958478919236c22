package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.CheckpointException;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What transformers 5.18 makes of a config, recorded from it, key by key. */
class ConfigParserTest {
  private static final String SIZES =
      "\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":4,"
          + "\"num_attention_heads\":2,\"num_key_value_heads\":1";
  private static final String SIZED = SIZES + ",\"max_position_embeddings\":4096";

  @TempDir Path temporary;

  private ModelConfig parse(String modelType, String more) {
    return parseSized(SIZED, modelType, more);
  }

  private ModelConfig parseSized(String sizes, String modelType, String more) {
    String json = "{\"model_type\":\"" + modelType + "\"," + sizes + more + "}";
    try {
      return ConfigParser.model(
          Json.read(Files.writeString(temporary.resolve("config.json"), json)));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private Rope rope(String modelType, String more) {
    return parse(modelType, more).rope();
  }

  @Test
  void windows() {
    assertWindow(0, "ffff", parse("qwen2", ""));
    String sixteen = ",\"sliding_window\":16,\"max_window_layers\":2";
    assertWindow(0, "ffff", parse("qwen2", sixteen));
    assertWindow(0, "ffff", parse("qwen2", sixteen + ",\"use_sliding_window\":false"));
    assertWindow(16, "ffww", parse("qwen2", sixteen + ",\"use_sliding_window\":true"));
    assertWindow(16, "ffww", parse("qwen3", sixteen + ",\"use_sliding_window\":true"));
    String used = ",\"use_sliding_window\":true";
    assertWindow(4096, "fffw", parse("qwen2", used + ",\"max_window_layers\":3"));
    assertWindow(
        0, "ffff", parse("qwen2", used + ",\"max_window_layers\":3,\"sliding_window\":null"));
    assertWindow(0, "ffff", parse("qwen2", used + ",\"sliding_window\":16"));
    String types =
        ",\"layer_types\":[\"full_attention\",\"sliding_attention\","
            + "\"full_attention\",\"sliding_attention\"]";
    assertWindow(
        16,
        "fwfw",
        parse("qwen3", used + types + ",\"sliding_window\":16,\"max_window_layers\":0"));
    assertThrows(CheckpointException.class, () -> parse("qwen3", types + ",\"sliding_window\":16"));
  }

  private static void assertWindow(int window, String layers, ModelConfig config) {
    assertEquals(window, config.slidingWindow());
    assertEquals(layers.chars().mapToObj(c -> c == 'w').toList(), config.windowed());
  }

  @Test
  void sizesThatMayBeAbsent() {
    assertEquals(4, parse("qwen2", "").headDim());
    assertEquals(4, parse("llama", ",\"head_dim\":null").headDim());
    assertEquals(6, parse("qwen2", ",\"head_dim\":6").headDim());
    assertEquals(128, parse("qwen3", "").headDim());
    assertEquals(32768, parseSized(SIZES, "qwen2", "").maxPositions());
    assertEquals(2048, parseSized(SIZES, "llama", "").maxPositions());
    assertEquals(1e-6f, parse("llama", "").rmsNormEps());
    assertFalse(parse("llama", "").tiedEmbeddings());
    String noKv = SIZED.replace(",\"num_key_value_heads\":1", "");
    assertEquals(2, parseSized(noKv, "llama", "").kvHeads());
  }

  @Test
  void biasesAndNorms() {
    ModelConfig qwen2 = parse("qwen2", ",\"attention_bias\":false,\"mlp_bias\":true");
    assertTrue(qwen2.qkvBias());
    assertFalse(qwen2.outputBias() || qwen2.mlpBias() || qwen2.qkNorm());
    ModelConfig qwen3 = parse("qwen3", ",\"attention_bias\":true,\"mlp_bias\":true");
    assertTrue(qwen3.qkvBias() && qwen3.outputBias() && qwen3.qkNorm());
    assertFalse(qwen3.mlpBias());
    ModelConfig llama = parse("llama", ",\"attention_bias\":true,\"mlp_bias\":true");
    assertTrue(llama.qkvBias() && llama.outputBias() && llama.mlpBias());
    assertFalse(llama.qkNorm());
  }

  @Test
  void ropePrecedence() {
    assertEquals(new Rope(10_000, new Scaling.None()), rope("qwen2", ""));
    assertEquals(
        new Rope(50_000, new Scaling.Linear(2)),
        rope(
            "qwen2",
            ",\"rope_theta\":5e4,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0},"
                + "\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":3,\"rope_theta\":7}"));
    String linear = "\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":3.0";
    assertEquals(
        new Rope(7, new Scaling.Linear(3)),
        rope("qwen2", ",\"rope_theta\":5e4," + linear + ",\"rope_theta\":7}"));
    assertEquals(
        new Rope(50_000, new Scaling.Linear(3)),
        rope("qwen2", ",\"rope_theta\":5e4," + linear + "}"));
    assertEquals(
        new Rope(50_000, new Scaling.Linear(3)),
        rope("qwen2", ",\"rope_theta\":5e4,\"rope_scaling\":{}," + linear + "}"));
    assertEquals(
        new Rope(10_000, new Scaling.Yarn(2, 4096, 32, 1, 1.0693147180559945, true)),
        rope(
            "qwen2",
            ",\"rope_scaling\":{\"type\":\"linear\",\"rope_type\":\"yarn\",\"factor\":2.0}"));
  }

  @Test
  void yarn() {
    String start = ",\"rope_theta\":1e6,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":";
    String original = ",\"original_max_position_embeddings\":1024";
    assertEquals(
        new Scaling.Yarn(4, 1024, 32, 1, 1.138629436111989, true),
        rope("qwen3", start + "4.0" + original + "}").scaling());
    assertEquals(
        new Scaling.Yarn(4, 1024, 32, 1, 1.0648216253695715, true),
        rope("qwen3", start + "4.0" + original + ",\"mscale\":1.0,\"mscale_all_dim\":0.5}")
            .scaling());
    assertEquals(
        new Scaling.Yarn(4, 4096, 16, 2, 1.5, false),
        rope(
                "qwen3",
                start
                    + "4,\"attention_factor\":1.5,\"beta_fast\":16,\"beta_slow\":2,"
                    + "\"truncate\":false}")
            .scaling());
    assertEquals(
        new Scaling.Yarn(4, 1024, 32, 1, 1.138629436111989, true),
        rope("qwen3", start + "null" + original + "}").scaling());
    assertEquals(
        new Scaling.Yarn(4, 512, 32, 1, 1.138629436111989, true),
        rope("qwen3", ",\"original_max_position_embeddings\":512" + start + "4.0" + original + "}")
            .scaling());
  }

  @Test
  void llama3() {
    String scaling =
        ",\"rope_theta\":5e5,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
            + "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0";
    assertEquals(
        new Rope(500_000, new Scaling.Llama3(8, 1, 4, 1024)),
        rope("llama", scaling + ",\"original_max_position_embeddings\":1024}"));
    assertEquals(new Scaling.Llama3(8, 1, 4, 4096), rope("llama", scaling + "}").scaling());
  }

  @Test
  void contextsThatScalingExtends() {
    String original = ",\"original_max_position_embeddings\":";
    String yarn = ",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":";
    assertEquals(8192, parse("qwen3", yarn + "4.0" + original + "2048}").maxPositions());
    assertEquals(4096, parse("qwen3", yarn + "4.0" + original + "512}").maxPositions());
    assertEquals(16384, parse("qwen3", yarn + "4.0}").maxPositions());
    assertEquals(Integer.MAX_VALUE, parse("qwen3", yarn + "1e30}").maxPositions());
    String llama3 =
        ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
            + "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0";
    assertEquals(8192, parse("llama", llama3 + original + "1024}").maxPositions());
    String linear = ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}";
    assertEquals(4096, parse("llama", linear).maxPositions());
  }

  @Test
  void releasedConfigsAreRead() {
    // As DeepSeek-R1-Distill-Qwen-1.5B ships it.
    ModelConfig r1 =
        parseSized(
            """
            "architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,"bos_token_id":151643,
            "eos_token_id":151643,"hidden_act":"silu","hidden_size":1536,"initializer_range":0.02,
            "intermediate_size":8960,"max_position_embeddings":131072,"max_window_layers":21,
            "num_attention_heads":12,"num_hidden_layers":28,"num_key_value_heads":2,
            "rms_norm_eps":1e-06,"rope_theta":10000,"sliding_window":4096,
            "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.44.0",
            "use_cache":true,"use_mrope":false,"use_sliding_window":false,"vocab_size":151936\
            """,
            "qwen2",
            "");
    assertEquals(Presets.named("r1-distill-qwen-1.5b").config(), r1);
    // As Qwen3-0.6B ships it.
    ModelConfig qwen3 =
        parseSized(
            """
            "architectures":["Qwen3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
            "bos_token_id":151643,"eos_token_id":151645,"head_dim":128,"hidden_act":"silu",
            "hidden_size":1024,"initializer_range":0.02,"intermediate_size":3072,
            "max_position_embeddings":40960,"max_window_layers":28,"num_attention_heads":16,
            "num_hidden_layers":28,"num_key_value_heads":8,"rms_norm_eps":1e-06,
            "rope_scaling":null,"rope_theta":1000000,"sliding_window":null,
            "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.51.0",
            "use_cache":true,"use_sliding_window":false,"vocab_size":151936\
            """,
            "qwen3",
            "");
    assertEquals(Presets.named("qwen3-0.6b").config(), qwen3);
    assertEquals(List.of(false), qwen3.windowed().stream().distinct().toList());
  }
}
