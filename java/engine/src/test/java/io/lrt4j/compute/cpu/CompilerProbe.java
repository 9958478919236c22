package io.lrt4j.compute.cpu;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.CpuLinear.Part;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs every kernel of {@code vector} over and over on the same numbers, prints a digest of the
 * first round's results, and fails at the first round that differs from it.
 */
final class CompilerProbe {
  private static final int HIDDEN = 37;
  private static final int WIDTH = 38;
  private static final int BLOCKS = 160; // wide, for rounded weights
  private static final int OUT = 264; // of them: panels in several runs, and a part of one
  private static final int AGAIN = 5; // for the kernels of rounded weights to be compiled as well
  private static final int ROWS = 5;
  private static final int HEADS = 2;
  private static final int KV_HEADS = 1;
  private static final int HEAD_DIM = 72;
  private static final int QKV = (HEADS + 2 * KV_HEADS) * HEAD_DIM;
  private static final int POSITIONS = 12;
  private static final int WINDOW = 9;
  private static final float EPS = 1e-6f;

  private CompilerProbe() {}

  public static void main(String[] args) {
    int rounds = Integer.parseInt(args[0]);
    Numbers numbers = new Numbers(1);
    try (var backend = new VectorBackend(1);
        var memory = new GuardedMemory();
        var q8 = backend.newMemory(Quantization.Q8);
        var q4 = backend.newMemory(Quantization.Q4);
        var results = new CpuMemory()) {
      CpuTensor input = memory.input(ROWS, HIDDEN, numbers.normal(ROWS * HIDDEN, 0, 1));
      CpuTensor norm = memory.input(1, HIDDEN, numbers.normal(HIDDEN, 1, 0.2));
      CpuTensor headNorm = memory.input(1, HEAD_DIM, numbers.normal(HEAD_DIM, 1, 0.2));
      CpuTensor rope = memory.input(64, HEAD_DIM, numbers.normal(64 * HEAD_DIM, 0, 1));
      List<CpuLinear> qkv = new ArrayList<>();
      List<CpuLinear> gateUp = new ArrayList<>();
      List<CpuLinear> down = new ArrayList<>();
      for (DType dtype : Numbers.PLAIN) {
        qkv.add(CpuLinear.of(numbers.weight(memory, dtype, QKV, HIDDEN), null));
        gateUp.add(
            new CpuLinear(
                List.of(
                    new Part(numbers.weight(memory, dtype, WIDTH, HIDDEN), null),
                    new Part(numbers.weight(memory, dtype, WIDTH, HIDDEN), null))));
        down.add(CpuLinear.of(numbers.weight(memory, dtype, HIDDEN, WIDTH), null));
      }
      CpuTensor blocks = memory.input(ROWS, BLOCKS, numbers.normal(ROWS * BLOCKS, 0, 1));
      Weight weight = Crews.stored(numbers.weight(memory, DType.BF16, OUT, BLOCKS));
      List<Memory.Part> parts = List.of(new Memory.Part(weight, null));
      List<Linear> rounded = List.of(q8.linear(parts), q4.linear(parts));
      CpuTensor x = CpuTensor.of(results.allocate(ROWS, HIDDEN));
      CpuTensor q = CpuTensor.of(results.allocate(ROWS, QKV));
      CpuTensor mixed = CpuTensor.of(results.allocate(ROWS, HEADS * HEAD_DIM));
      CpuTensor y = CpuTensor.of(results.allocate(ROWS, OUT));
      CpuTensor scratch = CpuTensor.of(results.allocate(ROWS, 2 * WIDTH));
      LogitSummary summary = new LogitSummary();
      KvStore store =
          new KvStore(memory.forCaches(), 1, KV_HEADS, HEAD_DIM, CacheMemory.unlimited());
      KvCache cache = store.newCache();
      Batch batch = new Batch(1);
      float[] first = {};
      for (int round = 0; round < rounds; round++) {
        List<float[]> found = new ArrayList<>();
        for (int type = 0; type < qkv.size(); type++) {
          cache.truncate(0);
          for (int rows = ROWS; POSITIONS - cache.length() >= rows; rows = rows == 1 ? ROWS : 1) {
            backend.copyRows(input, 0, x, 0, ROWS);
            backend.normProject(x, rows, norm, EPS, qkv.get(type), q);
            batch.clear().add(cache, rows);
            backend.ropeAndStore(q, batch, 0, headNorm, headNorm, EPS, rope);
            backend.attend(q, batch, 0, HEADS, WINDOW, mixed);
            batch.advance();
            backend.gatedMlp(x, rows, norm, EPS, gateUp.get(type), down.get(type), scratch);
            found.add(Numbers.rows(q, rows));
            found.add(Numbers.rows(mixed, rows));
            found.add(Numbers.rows(x, rows));
          }
          backend.summarize(q, 0, summary);
          found.add(new float[] {summary.logSumExp});
        }
        for (Linear linear : rounded) {
          for (int rows : new int[] {1, ROWS}) {
            for (int again = round == 0 ? 1 : AGAIN; again > 0; again--) {
              backend.project(blocks, rows, linear, y);
            }
            found.add(Numbers.rows(y, rows));
          }
        }
        float[] all = concatenated(found);
        if (round == 0) {
          first = all;
          System.out.println(digest(all));
        } else if (Arrays.mismatch(first, all) >= 0) {
          throw new AssertionError("round " + round + " differs from the first");
        }
      }
    }
  }

  private static float[] concatenated(List<float[]> arrays) {
    float[] all = new float[arrays.stream().mapToInt(a -> a.length).sum()];
    int at = 0;
    for (float[] array : arrays) {
      System.arraycopy(array, 0, all, at, array.length);
      at += array.length;
    }
    return all;
  }

  /** FNV-1a over the bits. */
  private static String digest(float[] values) {
    long hash = 0xcbf29ce484222325L;
    for (float value : values) {
      hash = (hash ^ (Float.floatToRawIntBits(value) & 0xFFFFFFFFL)) * 0x100000001b3L;
    }
    return values.length + " numbers, " + Long.toHexString(hash);
  }
}
