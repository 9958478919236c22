package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.ScalarBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * RoPE, the K/V cache and attention against {@code scalar}: groupings of heads, head sizes,
 * windows, batches of several sequences, forks of forks.
 */
class AttentionTest extends OnDevice {
  private static final int LAYERS = 2;
  private static final int LAYER = 1;
  private static final int BLOCK = 16;
  private static final int POSITIONS = 270;
  private static final float EPS = 1e-6f;

  private record Shape(int heads, int kvHeads, int dim) {
    int width() {
      return (heads + 2 * kvHeads) * dim;
    }
  }

  /**
   * A sequence of {@code stored} positions, then {@code rows} more, {@code depth} forks deep, which
   * are written or read.
   */
  private record Sequence(int stored, int rows, int depth, boolean read) {
    Sequence(int stored, int rows, int depth) {
      this(stored, rows, depth, false);
    }

    static Sequence read(int stored, int rows, int depth) {
      return new Sequence(stored, rows, depth, true);
    }
  }

  private static final List<List<Sequence>> BATCHES =
      List.of(
          List.of(new Sequence(0, 1, 0)),
          List.of(new Sequence(0, 37, 0)),
          List.of(new Sequence(129, 3, 2)),
          List.of(new Sequence(250, 17, 0)), // by one block a row, and not by one a span
          List.of(new Sequence(17, 1, 1), new Sequence(0, 5, 0), new Sequence(250, 1, 3)),
          List.of(Sequence.read(0, 70, 0)),
          List.of(Sequence.read(97, 33, 1), Sequence.read(0, 1, 0)),
          List.of(new Sequence(17, 2, 1), Sequence.read(31, 3, 2), Sequence.read(0, 13, 0)));

  private final ScalarBackend scalar = new ScalarBackend();

  AttentionTest() {
    super(11);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 2, false, 2147483647",
    "4, 2, 16, true, 7",
    "6, 3, 24, true, 2147483647",
    "7, 1, 8, false, 65",
    "6, 1, 16, true, 150",
    "4, 1, 64, true, 2147483647",
    "3, 1, 66, true, 33",
    "2, 2, 128, true, 1",
    "2, 1, 256, false, 2147483647"
  })
  void likeScalar(int heads, int kvHeads, int dim, boolean norms, int window) {
    var shape = new Shape(heads, kvHeads, dim);
    var numbers = new Numbers(heads * 1000 + dim);
    Weight rope =
        numbers.weight(DType.F32, POSITIONS, dim, numbers.normal(POSITIONS * dim, 0, 0.7), 0);
    Weight norm = numbers.scales(dim);
    for (List<Sequence> sequences : BATCHES) {
      int total = sequences.stream().mapToInt(s -> s.stored + s.rows).sum();
      float[] qkv = numbers.normal(total * shape.width(), 0, 1.5);
      List<float[]> expected =
          run(scalar, shape, sequences, qkv, rope, norms ? norm : null, window);
      List<float[]> got = run(cuda, shape, sequences, qkv, rope, norms ? norm : null, window);
      String what = shape + ", " + sequences + ", window " + window;
      // Where heads are small and scores large, 16 bits of a mantissa are fewer than f32 has.
      double times = sequences.stream().anyMatch(Sequence::read) ? 4 : 1;
      Close.assertClose(expected.get(0), got.get(0), times, "attend " + what);
      Close.assertClose(expected.get(1), got.get(1), "queries " + what);
    }
  }

  /**
   * Stores what comes before, in forks of forks, then runs the rows that follow as one batch: what
   * attention gives, and qkv as RoPE left it.
   */
  private static List<float[]> run(
      Backend b,
      Shape shape,
      List<Sequence> sequences,
      float[] all,
      Weight ropeTable,
      @Nullable Weight norm,
      int window) {
    int width = shape.width();
    var batch = new Batch(sequences.size());
    List<KvCache> caches = new ArrayList<>();
    try (Memory memory = b.newMemory();
        KvStore store =
            new KvStore(b, LAYERS, shape.kvHeads, shape.dim, BLOCK, CacheMemory.unlimited())) {
      Tensor rope = memory.weight(ropeTable);
      Tensor scales = norm == null ? null : memory.weight(norm);
      int at = 0;
      int rows = sequences.stream().mapToInt(Sequence::rows).sum();
      float[] last = new float[rows * width];
      int filled = 0;
      for (Sequence s : sequences) {
        KvCache cache = store.newCache();
        caches.add(cache);
        for (int part = 0; part <= s.depth; part++) {
          int to = s.stored * (part + 1) / (s.depth + 1);
          int count = to - cache.length();
          if (count > 0) {
            Tensor before = rows(b, memory, all, at, count, width);
            Batch alone = new Batch(1).add(cache, count);
            b.ropeAndStore(before, alone, LAYER, scales, scales, EPS, rope);
            alone.advance();
            at += count;
          }
          if (part < s.depth) {
            cache = cache.fork();
            caches.add(cache);
          }
        }
        if (s.read) {
          batch.read(cache, s.rows, s.rows);
        } else {
          batch.add(cache, s.rows);
        }
        System.arraycopy(all, at * width, last, filled * width, s.rows * width);
        filled += s.rows;
        at += s.rows;
      }
      Tensor qkv = rows(b, memory, last, 0, rows, width);
      Tensor out = memory.allocate(rows + 1, shape.heads * shape.dim);
      float[] poison = new float[out.cols()];
      Arrays.fill(poison, Float.NaN);
      b.write(poison, out, rows, 1);
      b.ropeAndStore(qkv, batch, LAYER, scales, scales, EPS, rope);
      b.attend(qkv, batch, LAYER, shape.heads, window, out);
      float[] mixed = new float[rows * shape.heads * shape.dim];
      b.read(out, 0, mixed, rows);
      b.read(out, rows, poison, 1);
      for (float p : poison) {
        assertEquals(Float.NaN, p, "wrote into a further row");
      }
      float[] rotated = new float[rows * width];
      b.read(qkv, 0, rotated, rows);
      float[] queries = new float[rows * shape.heads * shape.dim];
      for (int row = 0; row < rows; row++) {
        System.arraycopy(
            rotated, row * width, queries, row * shape.heads * shape.dim, shape.heads * shape.dim);
      }
      caches.forEach(KvCache::close);
      return List.of(mixed, queries);
    }
  }

  private static Tensor rows(
      Backend b, Memory memory, float[] all, int from, int count, int width) {
    Tensor t = memory.allocate(count, width);
    b.write(Arrays.copyOfRange(all, from * width, (from + count) * width), t, 0, count);
    return t;
  }

  /** A sequence's attention is the same to the bit in company, and row by row. */
  @Test
  void aSequenceInCompanyIsTheSequenceAlone() {
    var shape = new Shape(4, 2, 24);
    var numbers = new Numbers(1);
    Weight rope =
        numbers.weight(DType.F32, POSITIONS, 24, numbers.normal(POSITIONS * 24, 0, 0.7), 0);
    int width = shape.width();
    List<Sequence> all =
        List.of(new Sequence(175, 2, 0), new Sequence(0, 15, 0), new Sequence(130, 1, 1));
    int total = 177 + 15 + 131;
    float[] qkv = numbers.normal(total * width, 0, 1.5);
    float[] together = run(cuda, shape, all, qkv, rope, null, Integer.MAX_VALUE).getFirst();
    float[] alone =
        run(
                cuda,
                shape,
                all.subList(0, 1),
                Arrays.copyOf(qkv, 177 * width),
                rope,
                null,
                Integer.MAX_VALUE)
            .getFirst();
    assertArrayEquals(alone, Arrays.copyOf(together, alone.length));
    float[] one =
        run(
                cuda,
                shape,
                List.of(new Sequence(176, 1, 0)),
                Arrays.copyOf(qkv, 177 * width),
                rope,
                null,
                Integer.MAX_VALUE)
            .getFirst();
    assertArrayEquals(one, Arrays.copyOfRange(alone, one.length, 2 * one.length));
  }

  /**
   * The same of rows that are read, over more positions than one block takes, in other portions.
   */
  @ParameterizedTest
  @CsvSource({"24, 2147483647", "24, 700", "24, 30", "128, 2147483647"})
  void aReadSequenceInCompanyIsTheSequenceAlone(int dim, int window) {
    var shape = new Shape(6, 2, dim); // 21 rows of a tile
    var numbers = new Numbers(2);
    int width = shape.width();
    int rowWidth = shape.heads * shape.dim;
    Weight rope = numbers.weight(DType.F32, 1040, dim, numbers.normal(1040 * dim, 0, 0.7), 0);
    float[] before = numbers.normal((5 + 2 + 9) * width, 0, 1.5);
    float[] sequence = numbers.normal(1040 * width, 0, 1.5);
    float[] all = Arrays.copyOf(before, before.length + sequence.length);
    System.arraycopy(sequence, 0, all, before.length, sequence.length);

    List<Sequence> last = List.of(Sequence.read(1000, 40, 0));
    float[] alone = run(cuda, shape, last, sequence, rope, null, window).getFirst();
    List<Sequence> company =
        List.of(new Sequence(5, 2, 0), Sequence.read(0, 9, 0), Sequence.read(1000, 40, 1));
    float[] together = run(cuda, shape, company, all, rope, null, window).getFirst();
    List<Sequence> part = List.of(Sequence.read(1000, 17, 0));
    float[] first =
        run(cuda, shape, part, Arrays.copyOf(sequence, 1017 * width), rope, null, window)
            .getFirst();
    List<Sequence> rest = List.of(Sequence.read(1017, 23, 0));
    float[] second = run(cuda, shape, rest, sequence, rope, null, window).getFirst();

    Close.assertClose(
        run(scalar, shape, last, sequence, rope, null, window).getFirst(), alone, "a long one");
    assertArrayEquals(
        alone, Arrays.copyOfRange(together, 11 * rowWidth, together.length), "in company");
    assertArrayEquals(Arrays.copyOf(alone, 17 * rowWidth), first, "the first of it");
    assertArrayEquals(
        Arrays.copyOfRange(alone, 17 * rowWidth, alone.length), second, "the rest of it");
  }
}
