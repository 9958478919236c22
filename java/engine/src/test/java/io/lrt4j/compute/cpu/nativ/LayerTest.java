package io.lrt4j.compute.cpu.nativ;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Activations;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.DecoderLayers;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.LayerShape;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A layer in one call is its operations one by one, to the bit, though it makes inputs where others
 * leave off.
 */
class LayerTest {
  private static final int HIDDEN = 96;
  private static final int HEADS = 4;
  private static final int KV_HEADS = 2;
  private static final float EPS = 1e-6f;

  private final Random random = new Random(5);

  @ParameterizedTest
  @CsvSource({
    "NONE, F32, 32, 352", "NONE, F32, 24, 330", "NONE, BF16, 32, 352", "NONE, BF16, 24, 330",
    "BF16, BF16, 32, 352", "Q8, F32, 32, 352", "Q8, F32, 24, 96", "Q4, F32, 64, 352",
  })
  void oneCallIsItsOperations(Quantization quantization, DType type, int headDim, int inner) {
    assumeTrue(NativeBackend.missing().isEmpty());
    for (Isa isa : Isa.available()) {
      for (int threads : new int[] {1, 2}) {
        try (NativeBackend backend = new NativeBackend(threads, isa);
            Arena arena = Arena.ofShared()) {
          compare(backend, arena, quantization, type, headDim, inner);
        }
      }
    }
  }

  private void compare(
      NativeBackend backend,
      Arena arena,
      Quantization quantization,
      DType type,
      int headDim,
      int inner) {
    try (Memory weights = backend.newMemory(quantization);
        Memory memory = backend.newMemory();
        KvStore store = new KvStore(backend, 1, KV_HEADS, headDim, CacheMemory.unlimited())) {
      int kv = KV_HEADS * headDim;
      var layer =
          new DecoderLayer<>(
              vector(memory, HIDDEN),
              linear(weights, arena, type, HIDDEN, HEADS * headDim, kv, kv),
              vector(memory, headDim),
              vector(memory, headDim),
              linear(weights, arena, type, HEADS * headDim, HIDDEN),
              vector(memory, HIDDEN),
              linear(weights, arena, type, HIDDEN, inner, inner),
              linear(weights, arena, type, inner, HIDDEN));
      LayerShape shape = new LayerShape(0, HEADS, Integer.MAX_VALUE, EPS);
      DecoderLayers one = backend.decoderLayers(List.of(layer), List.of(shape));
      Tensor rope = random(memory, 200, headDim);
      KvCache[] once = {store.newCache(), store.newCache()};
      KvCache[] apart = {store.newCache(), store.newCache()};
      for (int[] rows : new int[][] {{40, 0}, {1, 0}, {2, 70}, {1, 1}, {0, 1}, {3, 4}}) {
        int all = rows[0] + rows[1];
        Tensor x = random(memory, all, HIDDEN);
        Tensor same = memory.allocate(all, HIDDEN);
        backend.copyRows(x, 0, same, 0, all);
        Batch batch = batch(once, rows);
        Activations a = room(memory, x, headDim, inner);
        backend.layers(one, batch, rope, a);
        batch.advance();
        Batch other = batch(apart, rows);
        inOperations(backend, layer, other, rope, room(memory, same, headDim, inner));
        other.advance();
        for (int i = 0; i < all * HIDDEN; i++) {
          int expected = bits(same, i);
          assertEquals(expected, bits(x, i), backend.describe() + ", number " + i + " of " + all);
        }
      }
      List.of(once).forEach(KvCache::close);
      List.of(apart).forEach(KvCache::close);
    }
  }

  private static void inOperations(
      NativeBackend backend,
      DecoderLayer<Tensor, Linear> p,
      Batch batch,
      Tensor rope,
      Activations a) {
    int rows = batch.rows();
    backend.normProject(a.x(), rows, p.inputNorm(), EPS, p.qkv(), a.qkv());
    backend.ropeAndStore(a.qkv(), batch, 0, p.queryNorm(), p.keyNorm(), EPS, rope);
    backend.attend(a.qkv(), batch, 0, HEADS, Integer.MAX_VALUE, a.mixed());
    backend.projectAdd(a.mixed(), rows, p.output(), a.x());
    backend.gatedMlp(a.x(), rows, p.postNorm(), EPS, p.gateUp(), p.down(), a.mlp());
  }

  private static Batch batch(KvCache[] caches, int[] rows) {
    Batch batch = new Batch(caches.length);
    for (int i = 0; i < caches.length; i++) {
      if (rows[i] > 0) {
        batch.add(caches[i], rows[i]);
      }
    }
    return batch;
  }

  private static Activations room(Memory memory, Tensor x, int headDim, int inner) {
    int rows = x.rows();
    return new Activations(
        x,
        memory.allocate(rows, (HEADS + 2 * KV_HEADS) * headDim),
        memory.allocate(rows, HEADS * headDim),
        memory.allocate(rows, 2 * inner));
  }

  private Linear linear(Memory memory, Arena arena, DType type, int in, int... outs) {
    return memory.linear(
        IntStream.of(outs)
            .mapToObj(out -> new Memory.Part(weight(arena, type, out, in), null))
            .toList());
  }

  private Weight weight(Arena arena, DType type, int rows, int cols) {
    MemorySegment data = arena.allocate(type.bytes((long) rows * cols), 64);
    for (long i = 0; i < (long) rows * cols; i++) {
      float value = 0.1f * (float) random.nextGaussian();
      if (type == DType.F32) {
        data.setAtIndex(CpuTensor.FLOAT, i, value);
      } else {
        data.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >> 16));
      }
    }
    return new Weight(type, rows, cols, data);
  }

  private Tensor vector(Memory memory, int n) {
    return random(memory, 1, n);
  }

  private Tensor random(Memory memory, int rows, int cols) {
    CpuTensor tensor = CpuTensor.of(memory.allocate(rows, cols));
    for (long i = 0; i < (long) rows * cols; i++) {
      tensor.data().setAtIndex(CpuTensor.FLOAT, i, (float) random.nextGaussian());
    }
    return tensor;
  }

  private static int bits(Tensor tensor, long i) {
    return Float.floatToRawIntBits(CpuTensor.of(tensor).data().getAtIndex(CpuTensor.FLOAT, i));
  }
}
