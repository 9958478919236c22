package io.lrt4j.compute.cpu.nativ;

import static io.lrt4j.Accuracy.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Fixtures;
import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import io.lrt4j.model.Workspace;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** All layers in one call are the layers one by one, of one model and of several in turns. */
class NativeLayersTest {
  private static final int ROWS = 160;

  /** Rows of one sequence in a step. */
  private record Rows(int sequence, int rows, int wanted, boolean read) {}

  /** Prefill beyond a block of keys, decoding, both at once, and several tokens at a time. */
  private static final List<List<Rows>> STEPS =
      List.of(
          List.of(read(0, 70, 3), read(1, 5, 5), read(2, 1, 1)),
          List.of(written(0, 1), written(1, 1), written(2, 1)),
          List.of(written(2, 1), written(0, 1), read(1, 130, 1)),
          List.of(written(1, 3)),
          List.of(written(0, 4), written(2, 1)));

  private static Rows read(int sequence, int rows, int wanted) {
    return new Rows(sequence, rows, wanted, true);
  }

  private static Rows written(int sequence, int rows) {
    return new Rows(sequence, rows, rows, false);
  }

  /** A model with three sequences. */
  private static final class Running implements AutoCloseable {
    final Backend backend;
    final Checkpoint checkpoint;
    final Memory memory;
    final Transformer model;
    final Workspace w;
    final List<KvCache> caches = new ArrayList<>();
    final Batch batch = new Batch(3);

    Running(Backend backend, String name, Quantization quantization, DType cache) {
      this.backend = backend;
      checkpoint = Checkpoint.open(Fixtures.dir(name));
      memory = backend.newMemory(quantization);
      Weights weights = Weights.of(checkpoint.config(), "model.", checkpoint.on(memory));
      CacheMemory limit = new CacheMemory(Long.MAX_VALUE, cache);
      model = new Transformer(checkpoint.config(), weights, backend, limit);
      w = model.newWorkspace(ROWS, 1);
      for (int i = 0; i < 3; i++) {
        caches.add(model.newCache());
      }
    }

    Running(Backend backend, String name) {
      this(backend, name, Quantization.NONE, DType.F32);
    }

    /** Final hidden states of the wanted rows. */
    float[] step(List<Rows> step) {
      batch.clear();
      int[] ids = new int[ROWS];
      int count = 0;
      for (Rows rows : step) {
        KvCache cache = caches.get(rows.sequence);
        for (int i = 0; i < rows.rows; i++) {
          int position = cache.length() + i;
          ids[count++] = (7 * rows.sequence + position * position) % 60;
        }
        if (rows.read) {
          batch.read(cache, rows.rows, rows.wanted);
        } else {
          batch.add(cache, rows.rows);
        }
      }
      model.embed(ids, 0, count, w.x);
      model.forward(batch, w);
      float[] hidden = new float[batch.wantedRows() * model.config().hiddenSize()];
      backend.read(w.hidden, 0, hidden, batch.wantedRows());
      return hidden;
    }

    @Override
    public void close() {
      caches.forEach(KvCache::close);
      w.close();
      model.close();
      memory.close();
      checkpoint.close();
    }
  }

  /** The same backend with nothing of its own for layers as a whole. */
  private static Backend oneByOne(Backend real) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                method.getName().equals("layers")
                    ? InvocationHandler.invokeDefault(proxy, method, arguments)
                    : method.invoke(real, arguments));
  }

  @BeforeEach
  void whereThereIsOne() {
    assumeTrue(NativeBackend.missing().isEmpty());
  }

  /** Norms of heads or biases, windows; of every type that weights, keys and values have. */
  @ParameterizedTest
  @CsvSource({
    "conformance/qwen3-tied-bf16, NONE, F32",
    "conformance/qwen3-tied-bf16, Q4, F16",
    "conformance/qwen2-bias-bf16, Q8, F16",
    "conformance/qwen3-tied-bf16, BF16, Q8",
    "conformance/qwen2-tied-f16, NONE, F16",
    "long-context/qwen2-window, NONE, F32"
  })
  void allAreOneByOne(String name, Quantization quantization, DType cache) {
    for (Isa isa : Isa.available()) {
      for (int threads = 1; threads <= 2; threads++) {
        try (var backend = new NativeBackend(threads, isa);
            var together = new Running(backend, name, quantization, cache);
            var oneByOne = new Running(oneByOne(backend), name, quantization, cache)) {
          for (int i = 0; i < STEPS.size(); i++) {
            String what = isa + ", " + threads + " threads, step " + i;
            assertSameBits(oneByOne.step(STEPS.get(i)), together.step(STEPS.get(i)), what);
          }
        }
      }
    }
  }

  /** A model without weights is refused at its next step, whatever ran last; others go on. */
  @Test
  void modelsTakeTurns() {
    try (var backend = new NativeBackend(2);
        var a = new Running(backend, "conformance/qwen3-tied-bf16");
        var b = new Running(backend, "conformance/qwen2-bias-bf16");
        var expectedA = new Running(oneByOne(backend), "conformance/qwen3-tied-bf16");
        var expectedB = new Running(oneByOne(backend), "conformance/qwen2-bias-bf16")) {
      for (List<Rows> step : STEPS) {
        assertSameBits(expectedA.step(step), a.step(step), "the first");
        assertSameBits(expectedB.step(step), b.step(step), "the second");
      }
      b.memory.close(); // of the weights that were used last
      b.batch.clear().add(b.caches.getFirst(), 1);
      for (int i = 0; i < 2; i++) {
        var e = assertThrows(IllegalStateException.class, () -> b.model.forward(b.batch, b.w));
        assertEquals("memory that has been freed", e.getMessage());
        List<Rows> next = List.of(written(0, 1), read(1, 2, 1));
        assertSameBits(expectedA.step(next), a.step(next), "the first, without the second");
      }
    }
  }
}
