package io.lrt4j.model;

import static io.lrt4j.Accuracy.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.Accuracy;
import io.lrt4j.Fixtures;
import io.lrt4j.Fuzz;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.compute.cpu.VectorBackend;
import io.lrt4j.compute.cpu.nativ.NativeBackend;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sliding windows and long sequences against transformers; and that how a sequence is cut into
 * steps, batches and forks does not change a bit of it.
 */
class TransformerTest {
  private static final double LOGIT_TOLERANCE = 2e-4;
  private static final double NMSE_TOLERANCE = 1e-7;
  private static final int ROWS = Transformer.CHUNK;

  /** A model and what one thread needs to run it. */
  private record Running(
      Backend backend, Checkpoint checkpoint, Memory memory, Transformer model, Workspace w)
      implements AutoCloseable {
    static Running of(String name, Supplier<Backend> open) {
      Backend backend = open.get();
      Checkpoint checkpoint = Checkpoint.open(Fixtures.dir(name));
      Memory memory = backend.newMemory();
      Weights weights = Weights.of(checkpoint.config(), "model.", checkpoint.on(memory));
      Transformer model = new Transformer(checkpoint.config(), weights, backend);
      return new Running(backend, checkpoint, memory, model, model.newWorkspace(ROWS, ROWS));
    }

    /** Runs ids from {@code from} to {@code to}, the next of the cache's; hidden states, logits. */
    Result run(KvCache cache, int[] ids, int from, int to) {
      int rows = to - from;
      model.embed(ids, from, rows, w.x);
      model.forward(new Batch(1).add(cache, rows), w);
      return result(rows);
    }

    Result result(int rows) {
      backend.copyRows(w.hidden, 0, w.headInput, 0, rows);
      model.logits(rows, w);
      float[] hidden = new float[rows * model.config().hiddenSize()];
      float[] logits = new float[rows * model.config().vocabSize()];
      backend.read(w.hidden, 0, hidden, rows);
      backend.read(w.logits, 0, logits, rows);
      return new Result(hidden, logits);
    }

    @Override
    public void close() {
      w.close();
      model.close();
      memory.close();
      checkpoint.close();
      backend.close();
    }
  }

  /** Final hidden states and logits of some rows. */
  private static final class Result {
    static final Result NONE = new Result(new float[0], new float[0]);

    final float[] hidden;
    final float[] logits;

    Result(float[] hidden, float[] logits) {
      this.hidden = hidden;
      this.logits = logits;
    }

    Result then(Result next) {
      return new Result(concatenated(hidden, next.hidden), concatenated(logits, next.logits));
    }

    private static float[] concatenated(float[] a, float[] b) {
      float[] both = Arrays.copyOf(a, a.length + b.length);
      System.arraycopy(b, 0, both, a.length, b.length);
      return both;
    }

    /** The rows from {@code from} to {@code to} of {@code rows}. */
    Result part(int from, int to, int rows) {
      int d = hidden.length / rows;
      int vocab = logits.length / rows;
      return new Result(
          Arrays.copyOfRange(hidden, from * d, to * d),
          Arrays.copyOfRange(logits, from * vocab, to * vocab));
    }

    void assertSame(Result other, String what) {
      assertSameBits(hidden, other.hidden, what + ", hidden");
      assertSameBits(logits, other.logits, what + ", logits");
    }
  }

  static Stream<Arguments> longContext() {
    return Stream.of("qwen2-window", "llama-linear")
        .flatMap(
            name ->
                Stream.of("scalar", "vector")
                    .flatMap(
                        backend ->
                            Stream.of(3, 64, 256)
                                .map(chunk -> Arguments.of(name, backend, chunk))));
  }

  /** Up to 300 positions, beyond the first table of angles, in steps of several sizes. */
  @ParameterizedTest(name = "{0} on {1} in steps of {2}")
  @MethodSource("longContext")
  void longContext(String name, String backend, int chunk) {
    Path dir = Fixtures.dir("long-context/" + name);
    JsonNode cases = Fixtures.json(dir.resolve("expected.json"));
    try (Running running = Running.of("long-context/" + name, opener(backend));
        Safetensors expected = Safetensors.open(dir.resolve("expected.safetensors"))) {
      for (int i = 0; i < cases.size(); i++) {
        int[] ids = ids(cases.get(i));
        float[] hidden = Fixtures.floats(expected, "case" + i + ".hidden");
        int kept = hidden.length / running.model.config().hiddenSize();
        try (KvCache cache = running.model.newCache()) {
          Result all = Result.NONE;
          for (int at = 0; at < ids.length; at += chunk) {
            all = all.then(running.run(cache, ids, at, Math.min(at + chunk, ids.length)));
          }
          Result last = all.part(ids.length - kept, ids.length, ids.length);
          String what = "case " + i;
          assertClose(hidden, last.hidden, what + " hidden");
          assertClose(
              Fixtures.floats(expected, "case" + i + ".logits"), last.logits, what + " logits");
        }
      }
    }
  }

  @Test
  void theFixtureHasWindows() {
    try (Checkpoint checkpoint = Checkpoint.open(Fixtures.dir("long-context/qwen2-window"))) {
      ModelConfig config = checkpoint.config();
      assertEquals(List.of(false, true, true), config.windowed());
      assertEquals(Integer.MAX_VALUE, config.window(0));
      assertEquals(7, config.window(1));
    }
  }

  /**
   * One prefill, by single operations; steps of any size, single tokens, forks, batches, any number
   * of threads.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "conformance/qwen3-tied-bf16",
        "conformance/qwen2-tied-f16",
        "conformance/qwen3-untied-f32-sharded",
        "long-context/qwen2-window"
      })
  void sameBitsHoweverItIsRun(String name) {
    int n = 41;
    int[] ids = new int[n];
    for (int i = 0; i < n; i++) {
      ids[i] = i * i % 60;
    }
    sameBitsHoweverItIsRun(name, ids, VectorBackend::new);
    if (NativeBackend.missing().isEmpty()) {
      sameBitsHoweverItIsRun(name, ids, NativeBackend::new);
    }
  }

  private static void sameBitsHoweverItIsRun(
      String name, int[] ids, IntFunction<Backend> withThreads) {
    Result expected;
    try (Running running = Running.of(name, () -> operationByOperation(withThreads.apply(2)));
        KvCache cache = running.model.newCache()) {
      expected = running.run(cache, ids, 0, ids.length);
    }
    for (int threads = 1; threads <= 3; threads++) {
      int count = threads;
      try (Running running = Running.of(name, () -> withThreads.apply(count))) {
        int[] chunks = {1, 4, 7, 40};
        for (int i = 0; i < chunks.length; i++) {
          String what = threads + " threads, steps of " + chunks[i];
          if (Fuzz.runs(threads, i)) {
            expected.assertSame(inSteps(running, ids, chunks[i]), what);
          }
          if (Fuzz.runs(threads, i, 1)) {
            expected.assertSame(inForks(running, ids, chunks[i]), what + " in forks");
          }
        }
        inCompany(running, ids, expected, ids.length - 5, 8, 1); // all rows
        inCompany(running, ids, expected, 3, 8, 1);
        inCompany(running, ids, expected, 1, 7, 1);
      }
    }
  }

  /** C sees addresses: whatever lies there must not have been freed. */
  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector", "native"})
  void freedMemoryIsRefused(String backend) {
    assumeTrue(!backend.equals("native") || NativeBackend.missing().isEmpty());
    try (Running running = Running.of("conformance/qwen3-tied-bf16", opener(backend))) {
      Batch batch = new Batch(1);
      Workspace closed = running.model.newWorkspace(1, 1);
      closed.close();
      try (KvCache cache = running.model.newCache()) {
        running.run(cache, new int[] {1, 2}, 0, 2);
        batch.add(cache, 1);
        assertThrows(IllegalStateException.class, () -> running.model.forward(batch, closed));
        running.memory.close(); // of the weights
        assertThrows(IllegalStateException.class, () -> running.model.forward(batch, running.w));
      }
    }
  }

  /** A backend that has nothing of its own for layers as a whole. */
  private static Backend operationByOperation(Backend real) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                method.getName().startsWith("layer")
                    ? InvocationHandler.invokeDefault(proxy, method, arguments)
                    : method.invoke(real, arguments));
  }

  private static Result inSteps(Running running, int[] ids, int chunk) {
    try (KvCache cache = running.model.newCache()) {
      Result all = Result.NONE;
      for (int at = 0; at < ids.length; at += chunk) {
        all = all.then(running.run(cache, ids, at, Math.min(at + chunk, ids.length)));
      }
      return all;
    }
  }

  /** Every step in a fork of the one before, at most three deep. */
  private static Result inForks(Running running, int[] ids, int chunk) {
    KvCache cache = running.model.newCache();
    Result all = Result.NONE;
    int step = 0;
    for (int at = 0; at < ids.length; at += chunk, step++) {
      if (step > 0 && step <= 3) {
        KvCache fork = cache.fork();
        cache.close(); // its memory lives on with the fork
        cache = fork;
      }
      all = all.then(running.run(cache, ids, at, Math.min(at + chunk, ids.length)));
    }
    cache.close();
    return all;
  }

  /**
   * Three sequences of different lengths in each step.
   *
   * @param wanted last rows of each whose final hidden states are compared
   */
  private static void inCompany(Running running, int[] ids, Result expected, int... wanted) {
    int n = ids.length;
    int[] ends = {n, 11, 29};
    int[] at = {5, 3, 28};
    try (KvCache a = running.model.newCache();
        KvCache b = running.model.newCache();
        KvCache c = running.model.newCache()) {
      List<KvCache> caches = List.of(a, b, c);
      for (int i = 0; i < 3; i++) {
        running.run(caches.get(i), ids, 0, at[i]);
      }
      int[] step = new int[n * 3];
      Batch batch = new Batch(3);
      int rows = 0;
      for (int i = 0; i < 3; i++) {
        System.arraycopy(ids, at[i], step, rows, ends[i] - at[i]);
        rows += ends[i] - at[i];
        batch.add(caches.get(i), ends[i] - at[i], wanted[i]);
      }
      running.model.embed(step, 0, rows, running.w.x);
      running.model.forward(batch, running.w);
      Batch kept = batch.wanted();
      Result together = running.result(kept.rows());
      for (int i = 0; i < 3; i++) {
        assertEquals(ends[i], caches.get(i).length());
        Result own = together.part(kept.firstRow(i), kept.firstRow(i + 1), kept.rows());
        expected.part(ends[i] - wanted[i], ends[i], n).assertSame(own, "sequence " + i + " of 3");
      }
      running.model.logitsOfLastRows(batch, running.w);
      int vocab = running.model.config().vocabSize();
      float[] last = new float[3 * vocab];
      running.backend.read(running.w.logits, 0, last, 3);
      for (int i = 0; i < 3; i++) {
        assertSameBits(
            expected.part(ends[i] - 1, ends[i], n).logits,
            Arrays.copyOfRange(last, i * vocab, (i + 1) * vocab),
            "last row of sequence " + i);
      }
    }
  }

  private static Supplier<Backend> opener(String name) {
    return switch (name) {
      case "scalar" -> ScalarBackend::new;
      case "vector" -> () -> new VectorBackend(2);
      default -> () -> new NativeBackend(2);
    };
  }

  private static void assertClose(float[] expected, float[] got, String what) {
    Accuracy.assertClose(expected, got, LOGIT_TOLERANCE, NMSE_TOLERANCE, what);
  }

  private static int[] ids(JsonNode node) {
    int[] ids = new int[node.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = node.get(i).intValue();
    }
    return ids;
  }
}
