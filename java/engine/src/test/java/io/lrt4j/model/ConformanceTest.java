package io.lrt4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.Accuracy;
import io.lrt4j.Fixtures;
import io.lrt4j.TestModels;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.reasoning.ReasoningNetwork;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every tiny checkpoint on every backend against what PyTorch computes on it in float32. */
class ConformanceTest {
  /** Largest error of a logit, as a fraction of the largest logit. */
  private static final double LOGIT_TOLERANCE = 2e-4;

  private static final double NMSE_TOLERANCE = 1e-7;

  /**
   * Where the two best logits are closer than this, float32 itself does not say which is the
   * better.
   */
  private static final double CERTAIN_MARGIN = 1e-2;

  static Stream<Arguments> models() {
    return backends()
        .flatMap(
            backend ->
                Stream.of(
                        "llama-rope3-bf16",
                        "qwen2-bias-bf16",
                        "qwen2-tied-f16",
                        "qwen3-tied-bf16",
                        "qwen3-untied-f32-sharded",
                        "qwen3-yarn-bf16")
                    .map(name -> Arguments.of(name, backend)));
  }

  static Stream<Arguments> networks() {
    return backends()
        .flatMap(
            backend -> Stream.of("lrt-append", "lrt-hadamard").map(n -> Arguments.of(n, backend)));
  }

  static Stream<String> backends() {
    return TestModels.backends();
  }

  @Tag("layer")
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void hiddenStatesAndLogits(String name, String backendName) {
    Path dir = Fixtures.dir("conformance/" + name);
    try (Backend backend = Backends.open(backendName, 2);
        Checkpoint checkpoint = Checkpoint.open(dir);
        Memory memory = backend.newMemory();
        Transformer model = load(checkpoint, memory, backend);
        Safetensors expected = Safetensors.open(dir.resolve("expected.safetensors"));
        Workspace w = model.newWorkspace(64, 64)) {
      JsonNode cases = Fixtures.json(dir.resolve("expected.json")).get("cases");
      for (int i = 0; i < cases.size(); i++) {
        int[] ids = ids(cases.get(i).get("ids"));
        float[] hidden = Fixtures.floats(expected, "case" + i + ".hidden");
        float[] logits = Fixtures.floats(expected, "case" + i + ".logits");
        int d = model.config().hiddenSize();
        int vocab = model.config().vocabSize();
        float[] gotHidden = new float[hidden.length];
        float[] gotLogits = new float[logits.length];
        try (KvCache cache = model.newCache()) {
          Batch batch = new Batch(1);
          float[] chunkHidden = new float[64 * d];
          float[] chunkLogits = new float[64 * vocab];
          for (int at = 0; at < ids.length; at += 64) {
            int rows = Math.min(64, ids.length - at);
            model.embed(ids, at, rows, w.x);
            model.forward(batch.clear().add(cache, rows), w);
            backend.copyRows(w.hidden, 0, w.headInput, 0, rows);
            model.logits(rows, w);
            backend.read(w.hidden, 0, chunkHidden, rows);
            backend.read(w.logits, 0, chunkLogits, rows);
            System.arraycopy(chunkHidden, 0, gotHidden, at * d, rows * d);
            System.arraycopy(chunkLogits, 0, gotLogits, at * vocab, rows * vocab);
          }
        }
        assertClose(hidden, gotHidden, name + " case " + i + " hidden");
        assertClose(logits, gotLogits, name + " case " + i + " logits");
      }
    }
  }

  @Tag("layer")
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("models")
  void greedyContinuations(String name, String backendName) {
    Path dir = Fixtures.dir("conformance/" + name);
    try (Backend backend = Backends.open(backendName, 2);
        Checkpoint checkpoint = Checkpoint.open(dir);
        Memory memory = backend.newMemory();
        Transformer model = load(checkpoint, memory, backend);
        Workspace w = model.newWorkspace(256, 1)) {
      for (JsonNode c : Fixtures.json(dir.resolve("expected.json")).get("cases")) {
        int[] ids = ids(c.get("ids"));
        List<Integer> expected = list(c.get("greedy"));
        try (KvCache cache = model.newCache()) {
          model.embed(ids, 0, ids.length, w.x);
          model.forward(new Batch(1).add(cache, ids.length), w);
          assertGreedy(expected, greedy(model, cache, ids.length, w, expected.size()), name);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("networks")
  void latentReasoning(String name, String backendName) {
    Path dir = Fixtures.dir("conformance/" + name);
    try (Backend backend = Backends.open(backendName, 2);
        NetworkCheckpoint stored = NetworkCheckpoint.open(dir);
        Checkpoint base = Checkpoint.open(dir.resolveSibling(stored.config().baseModel()));
        Memory memory = backend.newMemory();
        Transformer model = load(base, memory, backend);
        ReasoningNetwork network =
            new ReasoningNetwork(stored.config(), stored.on(memory), backend);
        ReasoningNetwork.Pass pass = network.newPass();
        Safetensors expected = Safetensors.open(dir.resolve("expected.safetensors"));
        Workspace w = model.newWorkspace(256, 256)) {
      JsonNode e = Fixtures.json(dir.resolve("expected.json"));
      int[] close = ids(e.get("close_ids"));
      for (int i = 0; i < e.get("prompt_ids").size(); i++) {
        int[] prompt = ids(e.get("prompt_ids").get(i));
        int[] answer = ids(e.get("answer_ids").get(i));
        List<Integer> greedy = list(e.get("greedy").get(i));
        int t = network.latents();
        try (KvCache cache = model.newCache()) {
          Batch batch = new Batch(1);
          Tensor hidden = memory.allocate(prompt.length, model.config().hiddenSize());
          model.embed(prompt, 0, prompt.length, w.x);
          model.forward(batch.clear().add(cache, prompt.length), w);
          backend.copyRows(w.hidden, 0, hidden, 0, prompt.length);

          Tensor z = pass.run(hidden, prompt.length);
          float[] latents = new float[t * model.config().hiddenSize()];
          backend.read(z, 0, latents, t);
          assertClose(
              Fixtures.floats(expected, "case" + i + ".latents"), latents, name + " latents");

          // z, close and the answer go on from the question's cache; nothing of the question is run
          // again.
          backend.copyRows(z, 0, w.x, 0, t);
          model.forward(batch.clear().add(cache, t), w);
          model.embed(close, 0, close.length, w.x);
          model.forward(batch.clear().add(cache, close.length), w);
          int afterClose = cache.length();
          assertEquals(prompt.length + t + close.length, afterClose);

          float[] logprobs = Fixtures.floats(expected, "case" + i + ".answer_logprobs");
          backend.copyRows(w.hidden, close.length - 1, w.headInput, 0, 1);
          model.embed(answer, 0, answer.length, w.x);
          model.forward(batch.clear().add(cache, answer.length), w);
          backend.copyRows(w.hidden, 0, w.headInput, 1, answer.length - 1);
          model.logits(answer.length, w);
          float[] got = new float[answer.length];
          var summary = new io.lrt4j.compute.LogitSummary();
          float[] row = new float[model.config().vocabSize()];
          for (int k = 0; k < answer.length; k++) {
            backend.summarize(w.logits, k, summary);
            backend.read(w.logits, k, row, 1);
            got[k] = row[answer[k]] - summary.logSumExp;
          }
          assertClose(logprobs, got, name + " answer log-probabilities");

          cache.truncate(prompt.length + t);
          model.embed(close, 0, close.length, w.x);
          model.forward(batch.clear().add(cache, close.length), w);
          assertGreedy(greedy, greedy(model, cache, close.length, w, greedy.size()), name);
        }
      }
    }
  }

  private static Transformer load(Checkpoint checkpoint, Memory memory, Backend backend) {
    ModelConfig config = checkpoint.config();
    Weights weights = Weights.of(config, "model.", checkpoint.on(memory));
    return new Transformer(config, weights, backend);
  }

  private record Step(int id, float margin) {}

  /** Greedy decoding from the last of the {@code rows} rows that were just run. */
  private static List<Step> greedy(Transformer model, KvCache cache, int rows, Workspace w, int n) {
    Backend backend = model.backend();
    var summary = new io.lrt4j.compute.LogitSummary();
    List<Step> steps = new ArrayList<>();
    Batch batch = new Batch(1);
    backend.copyRows(w.hidden, rows - 1, w.headInput, 0, 1);
    for (int k = 0; k < n; k++) {
      model.logits(1, w);
      backend.summarize(w.logits, 0, summary);
      steps.add(new Step(summary.argmax, summary.max - summary.second));
      model.embed(new int[] {summary.argmax}, 0, 1, w.x);
      model.forward(batch.clear().add(cache, 1), w);
      backend.copyRows(w.hidden, 0, w.headInput, 0, 1);
    }
    return steps;
  }

  private static void assertGreedy(List<Integer> expected, List<Step> steps, String what) {
    for (int k = 0; k < expected.size(); k++) {
      Step step = steps.get(k);
      if (step.id != expected.get(k)) {
        assertTrue(
            step.margin < CERTAIN_MARGIN,
            what
                + ": token "
                + k
                + " is "
                + step.id
                + ", expected "
                + expected.get(k)
                + ", margin "
                + step.margin);
        return; // from a coin toss on the two go their own ways
      }
    }
  }

  private static void assertClose(float[] expected, float[] got, String what) {
    Accuracy.assertClose(expected, got, LOGIT_TOLERANCE, NMSE_TOLERANCE, what);
  }

  private static int[] ids(JsonNode node) {
    return list(node).stream().mapToInt(Integer::intValue).toArray();
  }

  private static List<Integer> list(JsonNode node) {
    List<Integer> values = new ArrayList<>();
    node.forEach(n -> values.add(n.intValue()));
    return values;
  }
}
