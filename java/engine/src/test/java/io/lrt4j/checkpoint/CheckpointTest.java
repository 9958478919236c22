package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.CheckpointException;
import io.lrt4j.Fixtures;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.ModelConfig.Scaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sound checkpoints: the fixtures of the reference, and what a directory may look like. */
class CheckpointTest {
  @TempDir Path temporary;

  @ParameterizedTest
  @CsvSource({
    "conformance/llama-rope3-bf16, LlamaForCausalLM, 178624, BF16",
    "conformance/qwen2-bias-bf16, Qwen2ForCausalLM, 179008, BF16",
    "conformance/qwen2-tied-f16, Qwen2ForCausalLM, 145072, F16",
    "conformance/qwen3-tied-bf16, Qwen3ForCausalLM, 191104, BF16",
    "conformance/qwen3-untied-f32-sharded, Qwen3ForCausalLM, 178720, F32",
    "conformance/qwen3-yarn-bf16, Qwen3ForCausalLM, 154144, BF16",
  })
  void opensTheFixtures(String name, String architecture, long parameters, DType dtype) {
    try (var checkpoint = Checkpoint.open(Fixtures.dir(name))) {
      assertEquals(architecture, checkpoint.config().architecture());
      assertEquals(parameters, checkpoint.parameters());
      assertEquals(dtype, checkpoint.tensor("model.norm.weight").dtype());
      assertEquals(List.of(381), checkpoint.generation().eosTokenIds());
      assertFalse(checkpoint.generation().doSample());
    }
  }

  @Test
  void readsBothDialectsAlike() {
    ModelConfig old = config("conformance/qwen2-bias-bf16");
    assertEquals(new ModelConfig.Rope(10_000, new Scaling.None()), old.rope());
    assertTrue(old.qkvBias());
    assertFalse(old.outputBias());
    assertFalse(old.qkNorm());
    ModelConfig llama = config("conformance/llama-rope3-bf16");
    assertEquals(new ModelConfig.Rope(500_000, new Scaling.Llama3(8, 1, 4, 64)), llama.rope());
    ModelConfig yarn = config("conformance/qwen3-yarn-bf16");
    assertEquals(
        new ModelConfig.Rope(1_000_000, new Scaling.Yarn(4, 128, 32, 1, 1.138629436111989, true)),
        yarn.rope());
    assertEquals(32, config("conformance/qwen3-tied-bf16").headDim());
    assertEquals(1, config("conformance/qwen2-tied-f16").kvHeads());
  }

  private static ModelConfig config(String fixture) {
    try (var checkpoint = Checkpoint.open(Fixtures.dir(fixture))) {
      return checkpoint.config();
    }
  }

  @Test
  void readsTensorsAcrossShards() {
    Path directory = Fixtures.dir("conformance/qwen3-untied-f32-sharded");
    try (var checkpoint = Checkpoint.open(directory)) {
      assertEquals(directory, checkpoint.directory());
      assertEquals(4, checkpoint.tensors().stream().map(StoredTensor::file).distinct().count());
      assertTrue(checkpoint.has("lm_head.weight"));
      assertFalse(checkpoint.has("lm_head.bias"));
      var e = assertThrows(CheckpointException.class, () -> checkpoint.tensor("lm_head.bias"));
      assertEquals(directory + ": tensor \"lm_head.bias\" is missing", e.getMessage());
    }
  }

  @Test
  void bothNetworksOpen() {
    try (var append = NetworkCheckpoint.open(Fixtures.dir("conformance/lrt-append"));
        var hadamard = NetworkCheckpoint.open(Fixtures.dir("conformance/lrt-hadamard"))) {
      NetworkConfig config = append.config();
      assertEquals(Fusion.APPEND, config.fusion());
      assertEquals(8, config.latents());
      assertEquals(64, config.baseHiddenSize());
      assertEquals("\n</think>\n\n", config.close());
      assertEquals("qwen3-tied-bf16", config.baseModel());
      assertEquals(48, config.backbone().hiddenSize());
      assertEquals(0, config.backbone().vocabSize());
      assertEquals(1e6, config.backbone().rope().theta());
      assertTrue(config.backbone().qkNorm());
      assertTrue(config.autoThreshold().isEmpty());
      assertEquals(53024, append.parameters());
      assertEquals(List.of(8L, 48L), append.tensor("queries").shape());
      assertTrue(append.has("backbone.norm.weight"));
      assertEquals(Fusion.HADAMARD, hadamard.config().fusion());
      assertEquals(52928, hadamard.parameters());
    }
  }

  @Test
  void aCalibratedNetworkCarriesItsThreshold() {
    TinyModel network = TinyModel.network(temporary);
    network.config(c -> c.put("auto_threshold", -0.25));
    try (var checkpoint = NetworkCheckpoint.open(temporary)) {
      assertEquals(-0.25, checkpoint.config().autoThreshold().orElseThrow());
      assertEquals(ConfidenceMeasure.MEAN_LOGPROB, checkpoint.config().autoConfidence());
    }
    network.config(c -> c.put("auto_threshold", 1).put("auto_confidence", "smallest_margin"));
    try (var checkpoint = NetworkCheckpoint.open(temporary)) {
      assertEquals(1, checkpoint.config().autoThreshold().orElseThrow());
      assertEquals(ConfidenceMeasure.SMALLEST_MARGIN, checkpoint.config().autoConfidence());
    }
  }

  @Test
  void anEqualHeadBesideATiedEmbeddingIsIgnored() {
    TinyModel model = TinyModel.base(temporary);
    model.layout(t -> t.put("lm_head.weight", List.of(4L, 4L)));
    try (var checkpoint = Checkpoint.open(temporary)) {
      assertTrue(checkpoint.config().tiedEmbeddings());
      assertEquals(checkpoint.parameters(), elements(model.layout()));
    }
  }

  @Test
  void aHeadThatDiffersFromATiedEmbeddingIsUsed() {
    TinyModel model = TinyModel.base(temporary);
    Map<String, List<Long>> layout = model.layout();
    layout.put("lm_head.weight", List.of(4L, 4L));
    model.tensors(layout);
    byte[] file = model.bytes("model.safetensors");
    file[file.length - 1] ^= 1; // the head is the last tensor
    model.bytes("model.safetensors", file);
    try (var checkpoint = Checkpoint.open(temporary)) {
      assertFalse(checkpoint.config().tiedEmbeddings());
      assertEquals(checkpoint.parameters(), elements(layout));
    }
  }

  @Test
  void aTiedHeadAloneIsTheEmbedding() {
    TinyModel model = TinyModel.base(temporary);
    model.layout(t -> t.put("lm_head.weight", t.remove("model.embed_tokens.weight")));
    try (var checkpoint = Checkpoint.open(temporary)) {
      assertTrue(checkpoint.config().tiedEmbeddings());
      assertEquals(
          checkpoint.tensor("lm_head.weight").data().address(),
          checkpoint.tensor("model.embed_tokens.weight").data().address());
    }
  }

  private static long elements(Map<String, List<Long>> layout) {
    return layout.values().stream().mapToLong(TensorLayout::elements).sum();
  }

  @Test
  void strangersAndOldBuffersAreIgnored() {
    TinyModel model = TinyModel.base(temporary);
    model.layout(
        t -> {
          t.put("model.layers.0.self_attn.rotary_emb.inv_freq", List.of(1L));
          t.put("value_head.weight", List.of(1L, 4L));
        });
    try (var checkpoint = Checkpoint.open(temporary)) {
      assertTrue(checkpoint.has("value_head.weight"));
      assertEquals(checkpoint.parameters(), elements(model.layout()));
    }
  }

  @Test
  void hubCacheSnapshotsAreLinksIntoBlobs() throws IOException {
    Path repository = temporary.resolve("models--org--name");
    Path blobs = Files.createDirectories(repository.resolve("blobs"));
    Path snapshot = Files.createDirectories(repository.resolve("snapshots/0123abc"));
    TinyModel.sharded(snapshot);
    for (String name : List.of("config.json", "a.safetensors", "b.safetensors")) {
      Files.move(snapshot.resolve(name), blobs.resolve(name + "-hash"));
      Files.createSymbolicLink(
          snapshot.resolve(name), Path.of("../../blobs").resolve(name + "-hash"));
    }
    Checkpoint.open(snapshot).close();

    // A link from a cache to anywhere else stays refused.
    Files.move(blobs.resolve("b.safetensors-hash"), repository.resolve("b"));
    Files.delete(snapshot.resolve("b.safetensors"));
    Files.createSymbolicLink(snapshot.resolve("b.safetensors"), Path.of("../../b"));
    var e = assertThrows(CheckpointException.class, () -> Checkpoint.open(snapshot));
    assertTrue(String.valueOf(e.getMessage()).contains("symbolic link"));
  }

  @Test
  void linksInsideTheDirectoryAndToItAreFine() throws IOException {
    Path directory = Files.createDirectory(temporary.resolve("real"));
    TinyModel model = TinyModel.base(directory);
    Files.move(directory.resolve("model.safetensors"), directory.resolve("weights"));
    model.link("model.safetensors", Path.of("weights"));
    Path link = Files.createSymbolicLink(temporary.resolve("link"), directory);
    Checkpoint.open(link).close();
  }

  @Test
  void generationDefaultsAreThoseOfTransformers() {
    TinyModel model = TinyModel.base(temporary);
    model.config(c -> c.put("eos_token_id", 2).put("bos_token_id", 1));
    assertEquals(
        new GenerationDefaults(List.of(3), OptionalInt.of(1), false, 0.6f, 50, 1, 0, 1),
        generation());
    model.text(
        "generation_config.json",
        """
        {"do_sample": true, "eos_token_id": [3, 2, 3], "bos_token_id": 0, "temperature": 0.7,
         "top_k": 20, "top_p": 0.8, "min_p": 0.1, "repetition_penalty": 1.05}\
        """);
    assertEquals(
        new GenerationDefaults(List.of(3, 2), OptionalInt.of(0), true, 0.7f, 20, 0.8f, 0.1f, 1.05f),
        generation());
    model.delete("generation_config.json");
    assertEquals(
        new GenerationDefaults(List.of(2), OptionalInt.of(1), false, 1, 50, 1, 0, 1), generation());
    model.config(c -> c.putNull("eos_token_id").remove("bos_token_id"));
    assertEquals(List.of(), generation().eosTokenIds());
    assertEquals(OptionalInt.empty(), generation().bosTokenId());
  }

  private GenerationDefaults generation() {
    try (var checkpoint = Checkpoint.open(temporary)) {
      return checkpoint.generation();
    }
  }
}
