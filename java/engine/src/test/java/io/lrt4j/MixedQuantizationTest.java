package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.Placement;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.model.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers, head, embedding and network, each rounded in a way of its own. */
class MixedQuantizationTest {
  private static final int[] IDS = {1, 5, 9, 33, 120, 7, 300, 42, 11};
  private static final String EMBEDDING = "model.embed_tokens.weight";
  private static final Question QUESTION = Question.of("What is 12+30?").maxTokens(4);

  static Stream<String> backends() {
    return TestModels.backends();
  }

  private static EngineOptions.Builder options(String backend) {
    return EngineOptions.builder()
        .network(Fixtures.dir(TestModels.APPEND))
        .backend(backend)
        .threads(2);
  }

  private static Engine engine(EngineOptions.Builder options) {
    return Engine.load(Fixtures.dir(TestModels.BASE), options.build());
  }

  /** A rounded head makes logits of exact hidden states, the same ones on all backends. */
  @ParameterizedTest
  @MethodSource("backends")
  void theHeadAlone(String backend) {
    float[] exact;
    try (Engine engine = engine(options(backend))) {
      exact = flat(engine.score(IDS, true, true).hidden());
    }
    for (Quantization q : List.of(Quantization.Q8, Quantization.Q4)) {
      try (Engine engine = engine(options(backend).headQuantization(q))) {
        String described = engine.describe();
        String name = q.name().toLowerCase(Locale.ROOT);
        assertTrue(described.contains("; head " + name + "; backend"), described);
        assertFalse(described.contains("weights"), described);
        Scores scores = engine.score(IDS, true, true);
        float[] hidden = flat(scores.hidden());
        Accuracy.assertSameBits(exact, hidden, backend);
        Accuracy.assertSameBits(head(q, hidden), flat(scores.logits()), backend);
      }
    }
  }

  /** Rounded layers and an exact head: what the exact head makes of the states, nearly. */
  @ParameterizedTest
  @MethodSource("backends")
  void allButTheHead(String backend) {
    var q4 = options(backend).quantization(Quantization.Q4);
    float[] rounded;
    float[] states;
    try (Engine engine = engine(q4)) {
      assertFalse(engine.describe().contains("head"), engine.describe());
      Scores scores = engine.score(IDS, true, true);
      rounded = flat(scores.logits());
      states = flat(scores.hidden());
    }
    try (Engine engine = engine(q4.headQuantization(Quantization.Q4))) {
      assertFalse(engine.describe().contains("head"), engine.describe());
      Accuracy.assertSameBits(rounded, flat(engine.score(IDS, true, true).logits()), backend);
    }
    try (Engine engine = engine(q4.headQuantization(Quantization.NONE))) {
      assertTrue(engine.describe().contains("; weights q4; head none"), engine.describe());
      Scores scores = engine.score(IDS, true, true);
      Accuracy.assertSameBits(states, flat(scores.hidden()), backend);
      float[] logits = flat(scores.logits());
      Accuracy.assertClose(head(Quantization.NONE, states), logits, 1e-3, 1e-7, backend);
      assertFalse(Arrays.equals(rounded, logits));
    }
  }

  /** The base model is exact, the network is rounded; and the other way round. */
  @ParameterizedTest
  @MethodSource("backends")
  void theNetworkAlone(String backend) {
    float[] exact;
    float[] latents;
    try (Engine engine = engine(options(backend))) {
      exact = flat(engine.score(IDS, true, false).logits());
      latents = flat(engine.latents(QUESTION));
    }
    float[] all;
    try (Engine engine = engine(options(backend).quantization(Quantization.Q8))) {
      all = flat(engine.score(IDS, true, false).logits());
    }
    try (Engine engine = engine(options(backend).networkQuantization(Quantization.Q8))) {
      assertTrue(engine.describe().contains("; network q8"), engine.describe());
      Accuracy.assertSameBits(exact, flat(engine.score(IDS, true, false).logits()), backend);
      assertFalse(Arrays.equals(latents, flat(engine.latents(QUESTION))), "nothing was rounded");
      assertEquals(4, engine.ask(QUESTION.mode(Mode.LATENT)).tokens().answer());
    }
    var base =
        options(backend).quantization(Quantization.Q8).networkQuantization(Quantization.NONE);
    try (Engine engine = engine(base)) {
      assertTrue(engine.describe().contains("; weights q8; network none"), engine.describe());
      Accuracy.assertSameBits(all, flat(engine.score(IDS, true, false).logits()), backend);
    }
  }

  /** Rows are whole numbers times their scales, on all backends, beside a head of any type. */
  @ParameterizedTest
  @MethodSource("backends")
  void embeddings(String backend) {
    Quantization none = Quantization.NONE;
    for (Quantization q : List.of(Quantization.Q8, Quantization.Q4)) {
      for (String model : List.of(TestModels.BASE, "conformance/qwen3-untied-f32-sharded")) {
        for (Access access : Access.values()) {
          check(model, access, backend, q, none);
          check(model, access, backend, q, Quantization.Q8);
          check(model, access, backend, q, Quantization.Q4);
        }
      }
    }
  }

  private static void check(
      String model, Access access, String backend, Quantization q, Quantization ofHead) {
    try (Checkpoint stored = Checkpoint.open(Fixtures.dir(model));
        Checkpoint read =
            Checkpoint.open(ModelFiles.of(Fixtures.dir(model)), access, LoadListener.NONE);
        Backend ops = Backends.open(backend, 2);
        Memory layers = ops.newMemory();
        Memory head = ops.newMemory(ofHead);
        Memory embedding = ops.newMemory(q)) {
      var placement = new Placement(layers, head, embedding);
      Weights weights =
          read.handOver(placement, source -> Weights.of(read.config(), "model.", source));
      boolean shared = read.config().tiedEmbeddings() && q == ofHead;
      assertEquals(shared, embedding.bytes() == 0, "held once");
      if (read.config().tiedEmbeddings() && access == Access.READ) {
        // Nobody needs what both were made of, but for a plain head that is used where it lies.
        assertEquals(ofHead == Quantization.NONE && !backend.equals("native"), has(read));
      }
      StoredTensor expected = stored.tensor(EMBEDDING);
      Tensor x = layers.allocate(IDS.length, read.config().hiddenSize());
      ops.embed(Objects.requireNonNull(weights.embedding()), IDS, 0, IDS.length, x);
      float[] got = new float[x.rows() * x.cols()];
      ops.read(x, 0, got, x.rows());
      Accuracy.assertSameBits(rows(expected, q), got, backend);
    }
  }

  private static boolean has(Checkpoint checkpoint) {
    return checkpoint.has(EMBEDDING);
  }

  /** Rows of an embedding, by the definition of the type. */
  private static float[] rows(StoredTensor embedding, Quantization q) {
    DType type = DType.valueOf(q.name());
    Weight weight = embedding.weight();
    try (Arena arena = Arena.ofShared()) {
      MemorySegment rounded =
          arena.allocate(Weight.bytes(type, weight.rows(), weight.cols(), false));
      Rounding.round(weight, type, rounded);
      int cols = weight.cols();
      float[] rows = new float[IDS.length * cols];
      for (int i = 0; i < rows.length; i++) {
        long element = (long) IDS[i / cols] * cols + i % cols;
        long block = element / 32 * type.blockBytes();
        int at = (int) (element % 32);
        float scale = Float.float16ToFloat(rounded.get(ValueLayout.JAVA_SHORT_UNALIGNED, block));
        int number =
            type == DType.Q8
                ? rounded.get(ValueLayout.JAVA_BYTE, block + 2 + at)
                : (rounded.get(ValueLayout.JAVA_BYTE, block + 2 + at % 16) >> at / 16 * 4 & 15) - 8;
        rows[i] = scale * number;
      }
      return rows;
    }
  }

  /** Logits of an engine with a rounded embedding are near the exact ones, and are others. */
  @ParameterizedTest
  @MethodSource("backends")
  void theEmbeddingAlone(String backend) {
    float[] exact;
    try (Engine engine = engine(options(backend))) {
      exact = flat(engine.score(IDS, true, false).logits());
    }
    try (Engine engine = engine(options(backend).embeddingQuantization(Quantization.Q8))) {
      assertTrue(engine.describe().contains("; embedding q8; backend"), engine.describe());
      float[] got = flat(engine.score(IDS, true, false).logits());
      Accuracy.assertClose(exact, got, 0.1, 3e-3, backend);
      assertFalse(Arrays.equals(exact, got), "nothing was rounded");
      assertEquals(4, engine.ask(QUESTION.mode(Mode.LATENT)).tokens().answer());
    }
  }

  @Test
  void anEmbeddingInBf16IsRefused() {
    var e =
        assertThrows(
            BackendException.class,
            () -> EngineOptions.defaults().withEmbeddingQuantization(Quantization.BF16));
    assertEquals(
        "an embedding is kept as it is stored (NONE), in Q8 or in Q4, found BF16, which rounds"
            + " activations",
        e.getMessage());
  }

  @Test
  void optionsThatAreNotSetFollow() {
    EngineOptions unset = EngineOptions.defaults();
    assertNull(unset.headQuantization());
    assertEquals(unset, unset.withHeadQuantization(Quantization.Q8).withHeadQuantization(null));
    assertEquals(
        Quantization.Q4,
        unset.withNetworkQuantization(Quantization.Q4).withThreads(1).networkQuantization());
  }

  /** Logits of hidden states as plain Java has them. */
  private static float[] head(Quantization quantization, float[] hidden) {
    try (Checkpoint checkpoint = Checkpoint.open(Fixtures.dir(TestModels.BASE));
        Backend scalar = new ScalarBackend();
        Memory memory = scalar.newMemory(quantization)) {
      StoredTensor embedding = checkpoint.tensor("model.embed_tokens.weight");
      Linear head = memory.linear(List.of(new Memory.Part(embedding.weight(), null)));
      int rows = hidden.length / head.in();
      Tensor x = memory.allocate(rows, head.in());
      Tensor out = memory.allocate(rows, head.out());
      scalar.write(hidden, x, 0, rows);
      scalar.project(x, rows, head, out);
      float[] logits = new float[rows * head.out()];
      scalar.read(out, 0, logits, rows);
      return logits;
    }
  }

  private static float[] flat(float @Nullable [][] rows) {
    float[][] all = Objects.requireNonNull(rows);
    float[] flat = new float[all.length * all[0].length];
    for (int i = 0; i < all.length; i++) {
      System.arraycopy(all[i], 0, flat, i * all[0].length, all[0].length);
    }
    return flat;
  }
}
