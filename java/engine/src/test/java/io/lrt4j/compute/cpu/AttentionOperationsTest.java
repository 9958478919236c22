package io.lrt4j.compute.cpu;

import static io.lrt4j.Accuracy.assertSameBits;
import static io.lrt4j.compute.cpu.Numbers.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * RoPE, the K/V cache and attention of {@code vector} and {@code native} against {@code scalar}:
 * every grouping of heads, head sizes around the vector length, windows, batches of several
 * sequences, forks of forks. What a cache does not hold is NaN, so that one read too many shows.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AttentionOperationsTest {
  private static final int LAYERS = 2;
  private static final int LAYER = 1;
  private static final int BLOCK = 16;
  private static final int MAX_POSITIONS = 400;
  private static final float EPS = 1e-6f;

  private final ScalarBackend scalar = new ScalarBackend();
  private final Crews crews = new Crews();

  @AfterAll
  void close() {
    crews.close();
  }

  /** Sizes of the attention under test. */
  private record Shape(int heads, int kvHeads, int headDim) {
    int width() {
      return (heads + 2 * kvHeads) * headDim;
    }
  }

  /**
   * A sequence of {@code stored} positions, then {@code rows} that are to come, in caches {@code
   * depth} forks deep.
   */
  private record Sequence(int stored, int rows, int depth) {}

  private static final List<List<Sequence>> BATCHES =
      List.of(
          List.of(new Sequence(0, 1, 0)),
          List.of(new Sequence(0, 37, 0)),
          List.of(new Sequence(300, 1, 0)),
          List.of(new Sequence(129, 8, 2)),
          List.of(new Sequence(17, 1, 1), new Sequence(0, 5, 0), new Sequence(250, 1, 3)),
          List.of(new Sequence(63, 3, 3), new Sequence(64, 4, 0), new Sequence(5, 1, 2)));

  private static final int[] WINDOWS = {1, 2, 7, 16, 65, Integer.MAX_VALUE};

  @ParameterizedTest
  @CsvSource({
    "1, 1, 2",
    "4, 4, 8",
    "4, 2, 16",
    "8, 2, 24",
    "4, 1, 64",
    "2, 2, 128",
    "16, 8, 2",
    "6, 3, 24",
    "7, 1, 8",
    "14, 2, 64",
    "4, 4, 66",
    "3, 1, 34",
    "8, 2, 128"
  })
  void attention(int heads, int kvHeads, int headDim) {
    Shape shape = new Shape(heads, kvHeads, headDim);
    Numbers numbers = new Numbers(heads * 1000 + headDim);
    for (List<Sequence> sequences : BATCHES) {
      for (int window : WINDOWS) {
        attention(shape, sequences, window, numbers);
      }
    }
  }

  private void attention(Shape shape, List<Sequence> sequences, int window, Numbers numbers) {
    String what = shape + ", " + sequences + ", window " + window;
    try (var memory = new GuardedMemory()) {
      Batch batch = new Batch(sequences.size());
      for (Sequence s : sequences) {
        int positions = s.stored + s.rows;
        float[] keys = numbers.normal(positions * shape.kvHeads * shape.headDim, 0, 1.5);
        float[] values = numbers.normal(keys.length, 0.3, 1);
        KvCache cache = cache(memory, shape, s, s.depth, DType.F32);
        store(cache, positions, keys, values);
        batch.add(cache, s.rows);
        recordCaches(memory, cache);
      }
      int rows = batch.rows();
      CpuTensor qkv =
          memory.input(rows, shape.width(), numbers.normal(rows * shape.width(), 0, 1.5));
      float[] expected = attend(scalar, memory, qkv, batch, shape, window);
      memory.check("attend on scalar, " + what);
      for (Backend vector : crews.all()) {
        String where = "attend on " + vector.describe() + ", " + what;
        assertClose(expected, attend(vector, memory, qkv, batch, shape, window), where);
        memory.check(where);
      }
    }
  }

  private static float[] attend(
      Backend backend, GuardedMemory memory, CpuTensor qkv, Batch batch, Shape shape, int window) {
    int rows = batch.rows();
    CpuTensor out = memory.allocate(rows + 2, shape.heads * shape.headDim);
    backend.attend(qkv, batch, LAYER, shape.heads, window, out);
    GuardedMemory.checkPoison(out, rows, "attend");
    return Numbers.rows(out, rows);
  }

  /** The same sequence in one cache, in forks, and together with other rows: the same bits. */
  @ParameterizedTest
  @CsvSource({
    "4, 2, 16, F32",
    "8, 2, 24, F32",
    "14, 2, 64, F32",
    "4, 4, 128, F32",
    "3, 1, 34, F32",
    "8, 2, 128, F16",
    "6, 2, 96, Q8"
  })
  void attentionDoesNotDependOnForksAndCompany(int heads, int kvHeads, int headDim, DType type) {
    Shape shape = new Shape(heads, kvHeads, headDim);
    Numbers numbers = new Numbers(headDim);
    int stored = 151;
    int rows = 9;
    float[] keys = numbers.normal((stored + rows) * kvHeads * headDim, 0, 1.5);
    float[] values = numbers.normal(keys.length, 0.3, 1);
    float[] x = numbers.normal(rows * shape.width(), 0, 1.5);
    for (int w = 0; w < WINDOWS.length * crews.families().size(); w++) {
      int window = WINDOWS[w % WINDOWS.length];
      float[] expected = {};
      for (Backend vector : crews.families().get(w / WINDOWS.length)) {
        for (int depth = 0; depth <= 3; depth++) {
          try (var memory = new GuardedMemory()) {
            KvCache cache = cache(memory, shape, new Sequence(stored, rows, depth), depth, type);
            store(cache, stored + rows, keys, values);
            CpuTensor qkv = memory.input(rows, shape.width(), x);
            Batch batch = new Batch(1).add(cache, rows);
            float[] got = attend(vector, memory, qkv, batch, shape, window);
            expected = expected.length == 0 ? got : expected;
            assertSameBits(expected, got, vector.describe() + ", forks " + depth);
            for (int row = 0; row < rows; row++) {
              CpuTensor one = memory.input(1, shape.width(), Numbers.row(qkv, row));
              float[] alone =
                  attend(vector, memory, one, batch.clear().add(cache, 1), shape, window);
              assertSameBits(
                  java.util.Arrays.copyOfRange(
                      expected, row * heads * headDim, (row + 1) * heads * headDim),
                  alone,
                  vector.describe() + ", row " + row);
              cache.advance(1);
            }
          }
        }
      }
    }
  }

  /** Rounded keys and values are what they were rounded to: the same bits as f32 ones give. */
  @ParameterizedTest
  @CsvSource({
    "1, 1, 2, F16",
    "8, 2, 24, F16",
    "4, 2, 64, F16",
    "14, 2, 128, F16",
    "3, 1, 34, F16",
    "2, 2, 32, Q8",
    "7, 1, 64, Q8",
    "6, 2, 96, Q8",
    "4, 2, 128, Q8",
    "12, 2, 128, Q8"
  })
  void rounded(int heads, int kvHeads, int headDim, DType rounded) {
    Shape shape = new Shape(heads, kvHeads, headDim);
    Numbers numbers = new Numbers(headDim);
    int[] windows = {7, 65, Integer.MAX_VALUE};
    for (int b = 1; b < BATCHES.size(); b++) {
      try (var memory = new GuardedMemory()) {
        Batch plain = new Batch(3);
        Batch half = new Batch(3);
        for (Sequence s : BATCHES.get(b)) {
          int positions = s.stored + s.rows;
          float[] keys = numbers.normal(positions * kvHeads * headDim, 0, 1.5);
          float[] values = numbers.normal(keys.length, 0, Math.pow(10, -2.0 * b));
          KvCache cache = cache(memory, shape, s, s.depth, rounded);
          store(cache, positions, keys, values);
          KvCache widened = cache(memory, shape, s, s.depth, DType.F32);
          store(widened, positions, load(cache, positions, true), load(cache, positions, false));
          half.add(cache, s.rows);
          plain.add(widened, s.rows);
          recordCaches(memory, cache);
          recordCaches(memory, widened);
        }
        int rows = plain.rows();
        float[] x = numbers.normal(rows * shape.width(), 0, 1.5);
        CpuTensor qkv = memory.input(rows, shape.width(), x);
        for (Backend backend : crews.andScalar(scalar)) {
          String where =
              rounded + " on " + backend.describe() + ", " + shape + ", " + BATCHES.get(b);
          float[] expected = attend(backend, memory, qkv, plain, shape, windows[b % 3]);
          assertSameBits(
              expected, attend(backend, memory, qkv, half, shape, windows[b % 3]), where);
          memory.check(where);
        }
      }
    }
  }

  /**
   * They are rounded as IEEE 754 has it: to the nearest, of two the even one. But what would be
   * infinite is the largest number.
   */
  @Test
  void roundingToHalves() {
    List<Float> hard = new ArrayList<>();
    for (int bits = 0; bits < 0x7C00; bits += bits < 0x440 || bits > 0x7B00 ? 1 : 61) {
      float low = Float.float16ToFloat((short) bits);
      float middle = low / 2 + Float.float16ToFloat((short) (bits + 1)) / 2; // 65520 for the last
      middle = bits == 0x7BFF ? 65520 : middle;
      hard.addAll(List.of(low, -middle, middle, Math.nextUp(middle), Math.nextDown(-middle)));
      hard.addAll(List.of(Math.nextDown(middle), Math.nextUp(-middle)));
    }
    hard.addAll(List.of(1e9f, -Float.MAX_VALUE, Float.POSITIVE_INFINITY, Float.NaN, 1e-30f));
    int dim = 34; // a tail, whatever the vectors
    Shape shape = new Shape(1, 1, dim);
    int rows = Math.ceilDiv(hard.size(), dim);
    float[] x = new float[rows * shape.width()];
    for (int i = 0; i < hard.size(); i++) {
      x[i / dim * shape.width() + 2 * dim + i % dim] = hard.get(i);
    }
    for (Backend backend : crews.andScalar(scalar)) {
      try (var memory = new GuardedMemory()) {
        KvCache cache = cache(memory, shape, new Sequence(0, rows, 0), 0, DType.F16);
        CpuTensor qkv = memory.filled(rows, shape.width(), x);
        CpuTensor rope = memory.input(rows, dim, new float[rows * dim]);
        backend.ropeAndStore(qkv, new Batch(1).add(cache, rows), LAYER, null, null, EPS, rope);
        memory.check(backend.describe());
        for (int i = 0; i < hard.size(); i++) {
          int p = i / dim;
          CpuTensor block = CpuTensor.of(cache.block(p / BLOCK));
          float stored = block.get(cache.valueRow(LAYER, 0) + p % BLOCK, i % dim);
          float nearest = Float.float16ToFloat(Float.floatToFloat16(hard.get(i)));
          float expected = Math.clamp(nearest, -65504f, 65504f); // NaN stays NaN
          assertEquals(expected, stored, () -> backend.describe());
        }
      }
    }
  }

  /**
   * In q8 the largest of 32 numbers is 127 scales (as f16 has the scale), all others the nearest
   * whole number of them; NaN and infinity make all 32 NaN.
   */
  @Test
  void roundingToBytes() {
    int dim = 64;
    int rows = 2 * BLOCK;
    Shape shape = new Shape(1, 1, dim);
    float[] x = new Numbers(8).normal(rows * shape.width(), 0, 1);
    for (int p = 0; p < rows; p++) {
      int at = p * shape.width() + 2 * dim;
      float by = (float) Math.pow(10, p / 2 - 9); // down to scales that f16 has few bits for
      for (int c = at; c < at + dim; c++) {
        x[c] *= by;
      }
      if (p % 4 == 3) { // ties, with a scale of 1
        x[at] = -127;
        for (int c = 1; c < 32; c++) {
          x[at + c] = c - 16.5f;
        }
      }
    }
    int last = (rows - 1) * shape.width() + 2 * dim;
    x[last - shape.width()] = Float.NaN;
    x[last + 33] = Float.NEGATIVE_INFINITY;
    for (Backend backend : crews.andScalar(scalar)) {
      try (var memory = new GuardedMemory()) {
        KvCache cache = cache(memory, shape, new Sequence(0, rows, 0), 0, DType.Q8);
        CpuTensor qkv = memory.filled(rows, shape.width(), x);
        CpuTensor rope = memory.input(rows, dim, new float[rows * dim]);
        backend.ropeAndStore(qkv, new Batch(1).add(cache, rows), LAYER, null, null, EPS, rope);
        memory.check(backend.describe());
        float[] stored = load(cache, rows, false);
        for (int i = 0; i < stored.length; i++) {
          int at = i / dim * shape.width() + 2 * dim;
          assertEquals(
              inBytes(x, at + i % dim / 32 * 32, at + i % dim), stored[i], backend.describe());
        }
      }
    }
  }

  private static float inBytes(float[] x, int from, int at) {
    float largest = 0;
    for (int c = from; c < from + 32; c++) {
      if (!Float.isFinite(x[c])) {
        return Float.NaN;
      }
      largest = Math.max(largest, Math.abs(x[c]));
    }
    float scale = Float.float16ToFloat(Float.floatToFloat16(largest / 127));
    if (scale == 0) {
      return 0;
    }
    double nearest = Math.rint(x[at] * (1 / scale));
    return Float.isInfinite(scale)
        ? Float.NaN
        : scale * (float) Math.clamp(nearest, -127, 127) + 0f; // no -0
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 2, true",
    "4, 2, 8, false",
    "4, 4, 16, true",
    "8, 2, 24, true",
    "4, 1, 64, false",
    "2, 2, 128, true",
    "14, 2, 64, true",
    "4, 4, 66, true"
  })
  void ropeAndStore(int heads, int kvHeads, int headDim, boolean norms) {
    Shape shape = new Shape(heads, kvHeads, headDim);
    Numbers numbers = new Numbers(headDim);
    for (List<Sequence> sequences : BATCHES) {
      String what = "ropeAndStore " + shape + ", " + sequences;
      List<float[]> expected = List.of();
      int rows = sequences.stream().mapToInt(Sequence::rows).sum();
      float[] x = numbers.normal(rows * shape.width(), 0, 1.5);
      float[] angles = numbers.normal(MAX_POSITIONS * headDim, 0, 0.7);
      float[] queryNorm = numbers.normal(headDim, 1, 0.2);
      float[] keyNorm = numbers.normal(headDim, 1, 0.2);
      for (Backend backend : crews.andScalar(scalar)) {
        String where = what + " on " + backend.describe();
        try (var memory = new GuardedMemory()) {
          CpuTensor rope = memory.input(MAX_POSITIONS, headDim, angles);
          CpuTensor q = norms ? memory.input(1, headDim, queryNorm) : null;
          CpuTensor k = norms ? memory.input(1, headDim, keyNorm) : null;
          CpuTensor qkv = memory.filled(rows + 2, shape.width(), x);
          Batch batch = new Batch(sequences.size());
          for (Sequence s : sequences) {
            KvCache cache = cache(memory, shape, s, s.depth, DType.F32);
            batch.add(cache, s.rows);
            for (int i = 0; i < s.stored / BLOCK; i++) {
              memory.record(cache.block(i));
            }
          }
          backend.ropeAndStore(qkv, batch, LAYER, q, k, EPS, rope);
          memory.check(where);
          GuardedMemory.checkPoison(qkv, rows, where);
          List<float[]> got = new ArrayList<>();
          got.add(queries(shape, qkv, rows));
          for (int run = 0; run < sequences.size(); run++) {
            got.add(stored(shape, batch, run, true));
            got.add(stored(shape, batch, run, false));
          }
          expected = backend == scalar ? got : expected;
          for (int i = 0; i < got.size(); i++) {
            assertClose(expected.get(i), got.get(i), where);
          }
        }
      }
    }
  }

  /** The rotation itself: norms and angles as the formula has them, in double. */
  @Test
  void rotation() {
    Shape shape = new Shape(2, 1, 4);
    float[] x = {1, 2, 3, 4, -1, 0.5f, 2, 1, 3, 1, 4, 1, 5, 9, 2, 6};
    float[] table = new float[3 * 4];
    for (int p = 0; p < 3; p++) {
      for (int i = 0; i < 2; i++) {
        double angle = p / Math.pow(10, i);
        table[4 * p + i] = (float) Math.cos(angle);
        table[4 * p + 2 + i] = (float) Math.sin(angle);
      }
    }
    for (Backend backend : crews.andScalar(scalar)) {
      try (var memory = new GuardedMemory()) {
        CpuTensor qkv = memory.filled(1, 16, x);
        Batch batch =
            new Batch(1).add(cache(memory, shape, new Sequence(2, 1, 0), 0, DType.F32), 1);
        CpuTensor rope = memory.input(3, 4, table);
        backend.ropeAndStore(qkv, batch, LAYER, null, null, EPS, rope);
        float[] keys = stored(shape, batch, 0, true);
        for (int h = 0; h < 3; h++) {
          for (int i = 0; i < 2; i++) {
            double angle = 2 / Math.pow(10, i);
            double a = x[4 * h + i];
            double b = x[4 * h + 2 + i];
            double far = b * Math.cos(angle) + a * Math.sin(angle);
            double near = a * Math.cos(angle) - b * Math.sin(angle);
            assertEquals(near, h < 2 ? qkv.get(0, 4 * h + i) : keys[i], 1e-6);
            assertEquals(far, h < 2 ? qkv.get(0, 4 * h + 2 + i) : keys[2 + i], 1e-6);
          }
        }
        assertEquals(9, stored(shape, batch, 0, false)[1]);
      }
    }
  }

  private static float[] queries(Shape shape, CpuTensor qkv, int rows) {
    float[] queries = new float[rows * shape.heads * shape.headDim];
    int width = shape.heads * shape.headDim;
    for (int row = 0; row < rows; row++) {
      System.arraycopy(Numbers.row(qkv, row), 0, queries, row * width, width);
    }
    return queries;
  }

  /** The keys (or values) of a run's new positions; whatever else the cache has is poison still. */
  private static float[] stored(Shape shape, Batch batch, int run, boolean keys) {
    KvCache cache = batch.cache(run);
    int rows = batch.firstRow(run + 1) - batch.firstRow(run);
    int first = cache.length();
    float[] found = new float[shape.kvHeads * rows * shape.headDim];
    for (int i = 0; i < cache.blocks(); i++) {
      CpuTensor block = CpuTensor.of(cache.block(i));
      for (int row = 0; row < block.rows(); row++) {
        int head = row / BLOCK % shape.kvHeads;
        int position = i * BLOCK + row % BLOCK;
        boolean written =
            row / BLOCK / shape.kvHeads / 2 == LAYER
                && position >= first
                && position < first + rows;
        boolean key = row / BLOCK / shape.kvHeads % 2 == 0;
        float[] values = Numbers.row(block, row);
        if (!written) {
          for (float value : values) {
            assertEquals(
                GuardedMemory.POISON, Float.floatToRawIntBits(value), () -> "position " + position);
          }
        } else if (key == keys) {
          int at = (head * rows + position - first) * shape.headDim;
          System.arraycopy(values, 0, found, at, shape.headDim);
        }
      }
    }
    return found;
  }

  /** Caches of {@code s.stored} positions, yet to be filled, in a chain of {@code depth} forks. */
  private static KvCache cache(
      GuardedMemory memory, Shape shape, Sequence s, int depth, DType type) {
    int own = s.stored / (depth + 1);
    KvCache cache =
        new KvStore(
                memory.forCaches(),
                LAYERS,
                shape.kvHeads,
                shape.headDim,
                BLOCK,
                new CacheMemory(Long.MAX_VALUE, type))
            .newCache();
    for (int d = 0; d < depth; d++) {
      append(cache, own + d); // pieces of different sizes
      KvCache parent = cache;
      cache = cache.fork();
      append(parent, 2); // the parent goes its own way
    }
    append(cache, s.stored - cache.length());
    return cache;
  }

  /** Puts keys and values [positions, kvHeads, headDim] where they belong. */
  private static void store(KvCache cache, int positions, float[] keys, float[] values) {
    int dim = cache.headDim();
    cache.reserve(positions - cache.length());
    for (int p = 0; p < positions; p++) {
      CpuTensor block = CpuTensor.of(cache.block(p / BLOCK));
      for (int h = 0; h < cache.kvHeads(); h++) {
        int from = (p * cache.kvHeads() + h) * dim;
        block.write(cache.keyRow(LAYER, h) + p % BLOCK, keys, from, dim);
        block.write(cache.valueRow(LAYER, h) + p % BLOCK, values, from, dim);
      }
    }
  }

  /** The keys (or values) that {@link #store} has put there. */
  private static float[] load(KvCache cache, int positions, boolean keys) {
    int dim = cache.headDim();
    float[] all = new float[positions * cache.kvHeads() * dim];
    float[] one = new float[dim];
    for (int i = 0; i < positions * cache.kvHeads(); i++) {
      int p = i / cache.kvHeads();
      int h = i % cache.kvHeads();
      int row = keys ? cache.keyRow(LAYER, h) : cache.valueRow(LAYER, h);
      CpuTensor.of(cache.block(p / BLOCK)).read(row + p % BLOCK, one, dim);
      System.arraycopy(one, 0, all, i * dim, dim);
    }
    return all;
  }

  private static void append(KvCache cache, int rows) {
    cache.reserve(rows);
    cache.advance(rows);
  }

  private static void recordCaches(GuardedMemory memory, KvCache cache) {
    for (int i = 0; i < cache.blocks(); i++) {
      memory.record(cache.block(i));
    }
  }
}
