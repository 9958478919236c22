package io.lrt4j.checkpoint;

import static io.lrt4j.checkpoint.HostileCase.damaged;
import static io.lrt4j.checkpoint.HostileCase.refused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.CheckpointException;
import io.lrt4j.LrtException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.checkpoint.HostileCase.Start;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Bad checkpoints, made by hand: each is refused with one sentence that names file and cause. */
class HostileCheckpointTest {
  @TempDir Path temporary;

  @BeforeAll
  static void loadClasses(@TempDir Path directory) {
    Checkpoint.open(TinyModel.sharded(directory).directory()).close();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource({
    "io.lrt4j.checkpoint.HostileHeaders#headers",
    "io.lrt4j.checkpoint.HostileHeaders#tensorEntries",
    "io.lrt4j.checkpoint.HostileHeaders#offsets",
    "configFiles",
    "configValues",
    "unsupported",
    "generation",
    "tensors",
    "shards",
    "networks"
  })
  void isRefused(HostileCase hostile) {
    Path directory = temporary.resolve("model");
    assertTrue(directory.toFile().mkdir());
    TinyModel model =
        switch (hostile.start()) {
          case BASE -> TinyModel.base(directory);
          case SHARDED -> TinyModel.sharded(directory);
          case NETWORK -> TinyModel.network(directory);
        };
    open(hostile.start(), directory); // sound until it is spoilt
    hostile.spoil().accept(model);

    LrtException e =
        assertTimeout(
            Duration.ofSeconds(30), // no more than a hang: the machine may be busy
            () -> assertThrows(LrtException.class, () -> open(hostile.start(), directory)));

    assertEquals(hostile.refusal(), e.getClass(), e.getMessage());
    String message = String.valueOf(e.getMessage());
    assertTrue(message.startsWith(directory.toString()), message);
    for (String fragment : hostile.fragments()) {
      assertTrue(message.contains(fragment), () -> "no \"" + fragment + "\" in: " + message);
    }
    assertFalse(message.chars().anyMatch(Character::isISOControl), message);
    assertTrue(message.length() < 1000, message);
  }

  private static void open(Start start, Path directory) {
    if (start == Start.NETWORK) {
      NetworkCheckpoint.open(directory).close();
    } else {
      Checkpoint.open(directory).close();
    }
  }

  static Stream<HostileCase> configFiles() {
    String file = "config.json";
    return Stream.of(
        damaged("no config", m -> m.delete(file), "\"config.json\""),
        damaged("config is a directory", m -> m.mkdir(file), file, "a directory"),
        damaged("empty config", m -> m.text(file, ""), file, "JSON"),
        damaged("config is a list", m -> m.text(file, "[]"), file, "found an empty list"),
        damaged("config is null", m -> m.text(file, "null"), file, "JSON object"),
        damaged("config ends early", m -> m.truncate(file, 1), file, "not valid JSON"),
        damaged("text after the config", m -> m.text(file, "{} {}"), file, "JSON"),
        damaged("config is not UTF-8", m -> m.bytes(file, new byte[] {'{', -1}), file, "UTF-8"),
        damaged("duplicate key", m -> m.text(file, "{\"a\":1,\"a\":1}"), file, "Duplicate", "'a'"),
        damaged(
            "duplicate key in an object",
            m -> m.text(file, "{\"rope_scaling\":{\"a\":1,\"a\":1}}"),
            file,
            "Duplicate"),
        damaged(
            "deeply nested config", m -> m.text(file, "{\"a\":" + "[".repeat(9999)), file, "depth"),
        damaged("comment in the config", m -> m.text(file, "{/**/}"), file, "not valid JSON"),
        notFinite("rms_norm_eps", "NaN"),
        notFinite("rope_theta", "Infinity"),
        notFinite("hidden_size", "-Infinity"),
        damaged(
            "a number beyond 64 bits",
            m ->
                m.text(
                    file,
                    m.baseConfig()
                        .toString()
                        .replaceFirst("\"rope_theta\":[^,}]*", "\"rope_theta\":1e400")),
            "\"rope_theta\"",
            "found Infinity or one beyond 64 bits"),
        damaged(
            "number of 1,000 digits",
            m -> m.text(file, "{\"vocab_size\": " + "9".repeat(1000) + "}"),
            file,
            "JSON"),
        damaged(
            "config links out of the directory",
            m -> {
              m.text("../outside.json", m.baseConfig().toString());
              m.link(file, Path.of("../outside.json"));
            },
            file,
            "symbolic link"),
        damaged(
            "config of millions of lists",
            m -> m.text(file, "{\"a\":[" + "[],".repeat(2_700_000) + "[]]}"),
            file,
            "architectures"),
        damaged("config of 9 MB", m -> m.bytes(file, new byte[9 << 20]), file, "at most"));
  }

  static Stream<HostileCase> configValues() {
    return Stream.of(
        config("no vocabulary", c -> c.put("vocab_size", 0), "\"vocab_size\"", "found 0"),
        config("huge vocabulary", c -> c.put("vocab_size", 1 << 30), "\"vocab_size\""),
        config("fractional vocabulary", c -> c.put("vocab_size", 4.0), "an integer", "found 4.0"),
        config("vocabulary in words", c -> c.put("vocab_size", "4"), "found \"4\""),
        config("hidden size missing", c -> c.remove("hidden_size"), "\"hidden_size\"", "missing"),
        config("hidden size null", c -> c.putNull("hidden_size"), "\"hidden_size\"", "missing"),
        config("negative width", c -> c.put("hidden_size", -4), "\"hidden_size\"", "-4"),
        config("absurd width", c -> c.put("hidden_size", 1L << 40), "\"hidden_size\""),
        config("no layers", c -> c.put("num_hidden_layers", 0), "\"num_hidden_layers\""),
        config("a million layers", c -> c.put("num_hidden_layers", 1_000_000), "1 to 1024"),
        config("no heads", c -> c.put("num_attention_heads", 0), "\"num_attention_heads\""),
        config("more kv heads than heads", c -> c.put("num_key_value_heads", 3), "1 to 2"),
        config(
            "kv heads that do not divide",
            c -> c.put("num_attention_heads", 3).put("num_key_value_heads", 2),
            "a divisor of num_attention_heads, 3"),
        config("odd head size", c -> c.put("head_dim", 3), "even", "found 3"),
        config("absurd head size", c -> c.put("head_dim", 1 << 20), "\"head_dim\""),
        config("negative epsilon", c -> c.put("rms_norm_eps", -1e-6), "\"rms_norm_eps\""),
        config("epsilon below floats", c -> c.put("rms_norm_eps", 1e-60), "\"rms_norm_eps\""),
        config("zero theta", c -> c.put("rope_theta", 0), "\"rope_theta\"", "above 0"),
        config("theta is a string", c -> c.put("rope_theta", "1e6"), "\"rope_theta\""),
        damaged(
            "theta beyond doubles",
            m ->
                m.text(
                    "config.json",
                    m.baseConfig()
                        .toString()
                        .replace("\"rope_theta\":10000.0", "\"rope_theta\":1e999")),
            "\"rope_theta\""),
        config("2^31 positions", c -> c.put("max_position_embeddings", 1L << 31), "2147483648"),
        config("tied in words", c -> c.put("tie_word_embeddings", "yes"), "true or false"),
        config("two architectures", c -> c.withArray("/architectures").add("X"), "one name"),
        config("architecture is a number", c -> c.put("architectures", 1), "a list of strings"),
        config("another model type", c -> c.put("model_type", "llama"), "\"qwen3\"", "\"llama\""),
        config(
            "neither architecture nor type",
            c -> {
              c.remove("architectures");
              c.remove("model_type");
            },
            "\"architectures\" or \"model_type\""),
        config(
            "layer types of another number",
            c -> c.putArray("layer_types").add("full_attention").add("full_attention"),
            "1 entries",
            "found 2"),
        config(
            "window without a size",
            c -> c.putArray("layer_types").add("sliding_attention"),
            "no sliding window"),
        config(
            "empty window",
            c ->
                c.put("use_sliding_window", true)
                    .put("sliding_window", 0)
                    .put("max_window_layers", 0),
            "\"sliding_window\"",
            "found 0"),
        config(
            "linear without a factor",
            c -> c.putObject("rope_scaling").put("type", "linear"),
            "\"rope_scaling.factor\"",
            "missing"),
        config(
            "negative factor",
            c -> c.putObject("rope_scaling").put("type", "linear").put("factor", -2),
            "\"rope_scaling.factor\"",
            "-2"),
        config(
            "yarn without a factor",
            c -> c.putObject("rope_parameters").put("rope_type", "yarn"),
            "\"rope_parameters.factor\""),
        config(
            "llama3 bands reversed",
            c ->
                c.putObject("rope_scaling")
                    .put("rope_type", "llama3")
                    .put("factor", 8)
                    .put("low_freq_factor", 4)
                    .put("high_freq_factor", 1),
            "\"rope_scaling.high_freq_factor\"",
            "above"),
        config("rope scaling is a list", c -> c.putArray("rope_scaling").add(1), "an object"));
  }

  static Stream<HostileCase> unsupported() {
    return Stream.of(
        unsupported(
            "unknown architecture",
            c -> {
              c.putArray("architectures").add("MixtralForCausalLM");
              c.put("model_type", "mixtral");
            },
            "\"MixtralForCausalLM\"",
            "Qwen2ForCausalLM, Qwen3ForCausalLM, LlamaForCausalLM"),
        unsupported(
            "quantised",
            c -> c.putObject("quantization_config").put("bits", 4),
            "quantization_config"),
        unsupported("gelu", c -> c.put("hidden_act", "gelu"), "hidden_act", "\"gelu\"", "silu"),
        unsupported("not causal", c -> c.put("is_causal", false), "is_causal"),
        unsupported(
            "layers that differ", c -> c.putObject("per_layer_config").put("0", 1), "per_layer"),
        unsupported(
            "dynamic rope",
            c -> c.putObject("rope_scaling").put("type", "dynamic").put("factor", 2),
            "\"dynamic\"",
            "yarn"),
        unsupported(
            "longrope", c -> c.putObject("rope_scaling").put("type", "longrope"), "\"longrope\""),
        unsupported(
            "rope by layer type",
            c -> c.putObject("rope_parameters").putObject("full_attention").put("factor", 2),
            "rope_parameters.full_attention"),
        unsupported(
            "partial rotation", c -> c.put("partial_rotary_factor", 0.5), "partial_rotary_factor"),
        unsupported(
            "linear attention",
            c -> c.putArray("layer_types").add("linear_attention"),
            "\"linear_attention\""),
        unsupported(
            "windowed llama",
            c -> {
              c.putArray("architectures").add("LlamaForCausalLM");
              c.put("model_type", "llama").put("sliding_window", 16);
            },
            "sliding_window"),
        refused(
            "weights that are integers",
            m -> {
              byte[] file = m.bytes("model.safetensors");
              int at = new String(file, StandardCharsets.ISO_8859_1).indexOf("\"F32\"");
              file[at + 1] = 'I';
              m.bytes("model.safetensors", file);
            },
            "model.safetensors",
            "\"model.embed_tokens.weight\"",
            "I32",
            "BF16"));
  }

  /** Python's spelling, where a number is read. */
  private static HostileCase notFinite(String key, String value) {
    return damaged(
        key + " is " + value,
        m ->
            m.text(
                "config.json",
                m.baseConfig()
                    .toString()
                    .replaceFirst("\"" + key + "\":[^,}]*", "\"" + key + "\":" + value)),
        "\"" + key + "\"",
        "found " + value);
  }

  private static HostileCase config(String name, Consumer<ObjectNode> change, String... fragments) {
    return damaged(name, m -> m.config(change), fragments);
  }

  private static HostileCase unsupported(
      String name, Consumer<ObjectNode> change, String... fragments) {
    return refused(name, m -> m.config(change), fragments);
  }

  private static HostileCase sharded(String name, Consumer<TinyModel> spoil, String... fragments) {
    return new HostileCase(
        name, Start.SHARDED, CheckpointException.class, spoil, List.of(fragments));
  }

  private static HostileCase network(String name, Consumer<TinyModel> spoil, String... fragments) {
    return new HostileCase(
        name, Start.NETWORK, CheckpointException.class, spoil, List.of(fragments));
  }

  private static HostileCase generation(String name, String json, String... fragments) {
    String sampled = json.replace("{", "{\"do_sample\": true, ");
    return damaged(name, m -> m.text("generation_config.json", sampled), fragments);
  }

  static Stream<HostileCase> generation() {
    String file = "generation_config.json";
    return Stream.of(
        damaged("generation config is no JSON", m -> m.text(file, "{"), file, "not valid JSON"),
        generation("eos in words", "{\"eos_token_id\":\"3\"}", file, "an integer"),
        generation("negative temperature", "{\"temperature\":-1}", file, "\"temperature\""),
        generation("top-p above 1", "{\"top_p\":1.5}", file, "\"top_p\"", "1.5"),
        generation("no top-p", "{\"top_p\":0}", file, "above 0 and at most 1, found 0"),
        generation("negative top-k", "{\"top_k\":-1}", file, "\"top_k\"", "-1"),
        generation("fractional top-k", "{\"top_k\":1.5}", file, "\"top_k\""),
        generation("min-p above 1", "{\"min_p\":2}", file, "\"min_p\""),
        generation("no repetition penalty", "{\"repetition_penalty\":0}", file, "repetition"),
        generation("top-k in words", "{\"top_k\":\"yes\"}", file, "an integer"),
        damaged(
            "sampling in words",
            m -> m.text(file, "{\"do_sample\":\"yes\"}"),
            file,
            "true or false"));
  }

  static Stream<HostileCase> tensors() {
    String norm = "model.layers.0.self_attn.q_norm.weight";
    return Stream.of(
        damaged("no tensors at all", m -> m.delete("model.safetensors"), "found neither"),
        damaged(
            "missing tensor",
            m -> m.layout(t -> t.remove(norm)),
            "\"" + norm + "\" is missing",
            "[2]"),
        damaged(
            "wrong shape",
            m -> m.layout(t -> t.put(norm, List.of(4L))),
            "model.safetensors",
            norm,
            "must have shape [2], found [4]"),
        damaged(
            "wrong rank",
            m -> m.layout(t -> t.put(norm, List.of(1L, 2L))),
            "must have shape [2], found [1, 2]"),
        damaged(
            "transposed",
            m -> m.layout(t -> t.put("model.embed_tokens.weight", List.of(2L, 8L))),
            "[2, 8]"),
        damaged(
            "a vocabulary that the config denies",
            m -> m.config(c -> c.put("vocab_size", 5)),
            "must have shape [5, 4], found [4, 4]"),
        damaged(
            "a layer that is not there",
            m -> m.config(c -> c.put("num_hidden_layers", 2)),
            "\"model.layers.1.input_layernorm.weight\" is missing"),
        damaged(
            "a norm that the config denies",
            m ->
                m.layout(
                    t -> t.put("model.layers.0.pre_feedforward_layernorm.weight", List.of(4L))),
            "pre_feedforward_layernorm",
            "not part of the model"),
        damaged(
            "a bias of the last norm",
            m -> m.layout(t -> t.put("model.norm.bias", List.of(4L))),
            "\"model.norm.bias\"",
            "not part of the model"),
        damaged(
            "a bias of the head",
            m -> m.layout(t -> t.put("lm_head.bias", List.of(4L))),
            "\"lm_head.bias\"",
            "not part of the model"),
        damaged(
            "a bias without the prefix",
            m ->
                m.layout(
                    t -> {
                      Map<String, List<Long>> bare = new LinkedHashMap<>();
                      t.forEach((name, shape) -> bare.put(name.replace("model.", ""), shape));
                      bare.put("layers.0.mlp.up_proj.bias", List.of(4L));
                      t.clear();
                      t.putAll(bare);
                    }),
            "\"layers.0.mlp.up_proj.bias\"",
            "not part of the model"),
        damaged(
            "a bias that the config denies",
            m -> m.layout(t -> t.put("model.layers.0.self_attn.q_proj.bias", List.of(4L))),
            "q_proj.bias",
            "not part of the model"),
        damaged(
            "norms that the architecture lacks",
            m ->
                m.config(
                    c -> {
                      c.putArray("architectures").add("LlamaForCausalLM");
                      c.put("model_type", "llama");
                    }),
            norm,
            "not part of the model"),
        damaged(
            "no head of its own",
            m -> m.config(c -> c.put("tie_word_embeddings", false)),
            "\"lm_head.weight\" is missing"),
        damaged(
            "a second head of another shape",
            m -> m.layout(t -> t.put("lm_head.weight", List.of(2L, 4L))),
            "\"lm_head.weight\"",
            "found [2, 4]"));
  }

  private static HostileCase shard(String name, String file, String... fragments) {
    return sharded(name, m -> m.weightMap(w -> w.put("model.norm.weight", file)), fragments);
  }

  static Stream<HostileCase> shards() {
    String index = "model.safetensors.index.json";
    return Stream.of(
        shard("path traversal", "../b.safetensors", index, "plain file names", "\"../b"),
        shard("absolute path", "/etc/passwd", index, "plain file names", "/etc/passwd"),
        shard("path into a folder", "sub/b.safetensors", index, "plain file names"),
        shard("backslash", "..\\b.safetensors", index, "plain file names"),
        shard("drive letter", "c:b.safetensors", index, "plain file names"),
        shard("the directory itself", ".", index, "plain file names"),
        shard("the directory above", "..", index, "plain file names"),
        shard("no name", "", index, "plain file names"),
        shard("a zero character in a name", "b\0", index, "plain file names"),
        shard("a shard that is not there", "c.safetensors", index, "\"c.safetensors\"", "none"),
        shard("a tensor in another shard", "a.safetensors", index, "model.norm.weight", "b.safe"),
        sharded(
            "a tensor in no shard",
            m -> {
              m.layout(t -> {});
              m.delete("model.safetensors");
              m.weightMap(w -> w.put("model.norm.weight", "a.safetensors"));
              m.bytes("b.safetensors", TinyModel.safetensors(2, new byte[] {'{', '}'}, 0));
            },
            index,
            "model.layers.0.",
            "nowhere"),
        sharded(
            "a tensor in two shards",
            m -> m.bytes("b.safetensors", m.bytes("a.safetensors")),
            "b.safetensors",
            "is also in a.safetensors"),
        sharded(
            "shard name is a number",
            m -> m.weightMap(w -> w.put("model.norm.weight", 1)),
            index,
            "\"weight_map.model.norm.weight\"",
            "a string"),
        sharded("empty weight map", m -> m.weightMap(ObjectNode::removeAll), index, "weight_map"),
        sharded("no weight map", m -> m.text(index, "{}"), index, "\"weight_map\" is missing"),
        sharded("index is no JSON", m -> m.text(index, "{"), index, "not valid JSON"),
        sharded(
            "duplicate tensor in the index",
            m -> m.text(index, "{\"weight_map\":{\"x\":\"a\",\"x\":\"b\"}}"),
            index,
            "Duplicate"),
        sharded("truncated shard", m -> m.truncate("b.safetensors", 3), "b.safetensors", "trunc"),
        sharded("empty shard", m -> m.bytes("b.safetensors", new byte[0]), "b.safetensors"),
        sharded("shard is a directory", m -> m.mkdir("b.safetensors"), "b.safetensors", "a dir"),
        sharded(
            "shard links out of the directory",
            m -> {
              m.bytes("../outside", m.bytes("b.safetensors"));
              m.link("b.safetensors", Path.of("../outside"));
            },
            "b.safetensors",
            "symbolic link",
            "outside"),
        sharded(
            "shard links to nothing",
            m -> m.link("b.safetensors", Path.of("nothing")),
            "b.safetensors",
            "symbolic link"),
        sharded(
            "shard links to itself",
            m -> m.link("b.safetensors", Path.of("b.safetensors")),
            "b.safetensors",
            "symbolic link"),
        sharded(
            "shard links to a device",
            m -> m.link("b.safetensors", Path.of("/dev/zero")),
            "b.safetensors",
            "not a file"));
  }

  static Stream<HostileCase> networks() {
    return Stream.of(
        new HostileCase(
            "a network as base model",
            Start.BASE,
            CheckpointException.class,
            m -> TinyModel.network(m.directory()),
            List.of("expected a base model, found a reasoning network")),
        network(
            "a base model as network",
            m -> TinyModel.base(m.directory()),
            "config.json",
            "expected a reasoning network",
            "a base model's config"),
        network("no latents", m -> m.config(c -> c.put("num_latent_tokens", 0)), "num_latent"),
        network(
            "unknown fusion",
            m -> m.config(c -> c.put("fusion", "sum")),
            "\"fusion\"",
            "append or hadamard",
            "\"sum\""),
        network("no closing text", m -> m.config(c -> c.remove("close")), "\"close\"", "missing"),
        network("no backbone", m -> m.config(c -> c.remove("backbone")), "\"backbone\""),
        network(
            "backbone of no width",
            m -> m.config(c -> c.withObject("/backbone").put("hidden_size", 0)),
            "\"backbone.hidden_size\""),
        new HostileCase(
            "backbone of another kind",
            Start.NETWORK,
            UnsupportedModelException.class,
            m -> m.config(c -> c.withObject("/backbone").put("model_type", "llama")),
            List.of("\"backbone.model_type\"", "\"llama\"")),
        network(
            "threshold in words",
            m -> m.config(c -> c.put("auto_threshold", "low")),
            "\"auto_threshold\""),
        network(
            "unknown confidence",
            m -> m.config(c -> c.put("auto_confidence", "vibes")),
            "mean_logprob or smallest_margin"),
        network(
            "other number of queries",
            m -> m.config(c -> c.put("num_latent_tokens", 4)),
            "\"queries\"",
            "must have shape [4, 4], found [3, 4]"),
        network(
            "made for another width",
            m -> m.config(c -> c.put("base_hidden_size", 8)),
            "\"in_proj.weight\"",
            "[4, 8]"),
        network("no tensors", m -> m.delete("model.safetensors"), "found neither"));
  }
}
