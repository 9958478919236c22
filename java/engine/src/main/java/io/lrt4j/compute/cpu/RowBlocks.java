package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Rows in blocks, each of them a task, and sums over all rows: made per block, and then added in
 * the order of the blocks, whoever computed them.
 */
final class RowBlocks {
  /** Rows of one task. */
  static final int BLOCK = 32;

  private final Workers workers;
  private float[] partials = {}; // sums of each block of rows

  RowBlocks(Workers workers) {
    this.workers = workers;
  }

  /** Shares out the blocks of so many rows. */
  void run(Workers.Job job, int rows) {
    workers.run(job, Math.ceilDiv(rows, BLOCK));
  }

  /** Adds the sum of the rows of x. */
  void addRows(CpuTensor x, int rows, CpuTensor sum) {
    int n = x.cols();
    float[] partials = partials(rows, n);
    run(
        (block, worker) -> {
          int first = block * BLOCK;
          for (int i = first; i < Math.min(rows, first + BLOCK); i++) {
            add(x.data(), x.row(i), partials, block * n, n);
          }
        },
        rows);
    addPartials(rows, n, 0, sum);
  }

  /** Room for sums, [blocks, n], all of them 0; good until the next call. */
  float[] partials(int rows, int n) {
    int size = Math.ceilDiv(rows, BLOCK) * n;
    if (partials.length < size) {
      partials = new float[size];
    }
    Arrays.fill(partials, 0, size, 0);
    return partials;
  }

  /** Adds every block's sums, which lie {@code n} apart and begin at {@code at}. */
  void addPartials(int rows, int n, int at, CpuTensor sum) {
    int blocks = Math.ceilDiv(rows, BLOCK);
    float[] total = new float[sum.cols()];
    for (int block = 0; block < blocks; block++) {
      for (int c = 0; c < total.length; c++) {
        total[c] += partials[block * n + at + c];
      }
    }
    for (int c = 0; c < total.length; c++) {
      sum.set(0, c, sum.get(0, c) + total[c]);
    }
  }

  /** to[at …] += n floats of {@code from}. */
  private static void add(MemorySegment from, long fromAt, float[] to, int at, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromMemorySegment(F, from, fromAt + c * 4L, LE)
          .add(FloatVector.fromArray(F, to, at + c))
          .intoArray(to, at + c);
    }
    for (int c = body; c < n; c++) {
      to[at + c] += from.get(FLOAT, fromAt + c * 4L);
    }
  }
}
