package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;
import static io.lrt4j.compute.cpu.RowBlocks.BLOCK;

import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/** The RMS norm of rows, forward and back; {@link VectorTrainingRope} uses it on heads. */
final class VectorTrainingNorm {
  private final RowBlocks blocks;
  private final WorkerBuffers buffers;

  VectorTrainingNorm(RowBlocks blocks, WorkerBuffers buffers) {
    this.blocks = blocks;
    this.buffers = buffers;
  }

  void forward(Tensor x, int rows, Tensor w, float eps, Tensor y) {
    CpuTensor in = CpuTensor.of(x);
    CpuTensor out = CpuTensor.of(y);
    int n = in.cols();
    float[] weight = CpuTraining.row(w, 0);
    blocks.run(
        (block, worker) -> {
          int first = block * BLOCK;
          int count = Math.min(BLOCK, rows - first);
          float[] v = buffers.get(worker, 0, BLOCK * n);
          in.read(first, v, count * n);
          for (int i = 0; i < count; i++) {
            scale(v, i * n, n, inverseRms(v, i * n, n, eps), weight);
          }
          out.write(first, v, 0, count * n);
        },
        rows);
  }

  void backward(
      Tensor dy,
      Tensor x,
      int rows,
      Tensor w,
      float eps,
      boolean add,
      Tensor dx,
      @Nullable Tensor dw) {
    CpuTensor dOut = CpuTensor.of(dy);
    CpuTensor in = CpuTensor.of(x);
    CpuTensor dIn = CpuTensor.of(dx);
    int n = in.cols();
    float[] weight = CpuTraining.row(w, 0);
    float[] partials = blocks.partials(rows, n);
    blocks.run(
        (block, worker) -> {
          int first = block * BLOCK;
          int count = Math.min(BLOCK, rows - first);
          float[] d = buffers.get(worker, 0, BLOCK * n);
          float[] v = buffers.get(worker, 1, BLOCK * n);
          dOut.read(first, d, count * n);
          in.read(first, v, count * n);
          for (int i = 0; i < count; i++) {
            backward(d, v, i * n, n, weight, eps, partials, block * n);
          }
          if (add) {
            add(d, dIn.data(), dIn.row(first), count * n);
          } else {
            dIn.write(first, d, 0, count * n);
          }
        },
        rows);
    if (dw != null) {
      blocks.addPartials(rows, n, 0, CpuTensor.of(dw));
    }
  }

  static float inverseRms(float[] x, int at, int n, float eps) {
    return (float) (1 / Math.sqrt(dot(x, at, x, at, n) / n + eps));
  }

  private static float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector sums = FloatVector.zero(F);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      sums = FloatVector.fromArray(F, a, aAt + c).fma(FloatVector.fromArray(F, b, bAt + c), sums);
    }
    float sum = Lanes.sum(sums);
    for (int c = body; c < n; c++) {
      sum = Math.fma(a[aAt + c], b[bAt + c], sum);
    }
    return sum;
  }

  /** x *= r weight. */
  static void scale(float[] x, int at, int n, float r, float[] weight) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, x, at + c)
          .mul(r)
          .mul(FloatVector.fromArray(F, weight, c))
          .intoArray(x, at + c);
    }
    for (int c = body; c < n; c++) {
      x[at + c] = x[at + c] * r * weight[c];
    }
  }

  /** Turns dy into dx, in place, and adds to dw at {@code dwAt}. */
  static void backward(
      float[] dy, float[] x, int at, int n, float[] weight, float eps, float[] dw, int dwAt) {
    float r = inverseRms(x, at, n, eps);
    FloatVector sums = FloatVector.zero(F);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector d = FloatVector.fromArray(F, dy, at + c);
      FloatVector dx = d.mul(FloatVector.fromArray(F, x, at + c));
      dx.mul(r).add(FloatVector.fromArray(F, dw, dwAt + c)).intoArray(dw, dwAt + c);
      sums = dx.fma(FloatVector.fromArray(F, weight, c), sums);
    }
    float dot = Lanes.sum(sums);
    for (int c = body; c < n; c++) {
      float dx = dy[at + c] * x[at + c];
      dw[dwAt + c] += dx * r;
      dot = Math.fma(dx, weight[c], dot);
    }
    float back = -r * r * dot / n;
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, dy, at + c)
          .mul(FloatVector.fromArray(F, weight, c))
          .add(FloatVector.fromArray(F, x, at + c).mul(back))
          .mul(r)
          .intoArray(dy, at + c);
    }
    for (int c = body; c < n; c++) {
      dy[at + c] = (dy[at + c] * weight[c] + x[at + c] * back) * r;
    }
  }

  private static void add(float[] from, MemorySegment to, long toAt, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, from, c)
          .add(FloatVector.fromMemorySegment(F, to, toAt + c * 4L, LE))
          .intoMemorySegment(to, toAt + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      to.set(FLOAT, toAt + c * 4L, to.get(FLOAT, toAt + c * 4L) + from[c]);
    }
  }
}
