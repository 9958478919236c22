package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/** Log-probabilities of tokens that came, and their gradient; a row of logits is a task. */
final class VectorTrainingLoss {
  private final Workers workers;
  private final WorkerBuffers buffers;

  VectorTrainingLoss(Workers workers, WorkerBuffers buffers) {
    this.workers = workers;
    this.buffers = buffers;
  }

  void forward(
      Tensor logits,
      int rows,
      int[] targets,
      int offset,
      float[] logprobs,
      float[] logSumExp,
      float @Nullable [] entropies) {
    CpuTensor in = CpuTensor.of(logits);
    int n = in.cols();
    workers.run(
        (i, worker) -> {
          float[] l = buffers.get(worker, 0, n);
          in.read(i, l, n);
          float max = max(l, n);
          float target = l[targets[offset + i]];
          double entropy = entropies == null ? 0 : weightedSum(l, n, max);
          double sum = expSum(l, n, max);
          double normaliser = max + Math.log(sum);
          logSumExp[offset + i] = (float) normaliser;
          logprobs[offset + i] = (float) (target - normaliser);
          if (entropies != null) {
            entropies[offset + i] = (float) (Math.log(sum) - entropy / sum);
          }
        },
        rows);
  }

  private static float max(float[] x, int n) {
    FloatVector max = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      max = max.max(FloatVector.fromArray(F, x, c));
    }
    float most = max.reduceLanes(VectorOperators.MAX);
    for (int c = body; c < n; c++) {
      most = Math.max(most, x[c]);
    }
    return most;
  }

  /** Turns x into exp(x - max), in place, and returns the sum of it. */
  private static double expSum(float[] x, int n, float max) {
    double total = 0;
    int body = F.loopBound(n);
    for (int from = 0; from < body; from += 64 * N) {
      FloatVector sums = FloatVector.zero(F);
      for (int c = from; c < Math.min(body, from + 64 * N); c += N) {
        sums = sums.add(Lanes.exp(FloatVector.fromArray(F, x, c).sub(max)));
      }
      total += Lanes.sum(sums);
    }
    for (int c = body; c < n; c++) {
      total += Lanes.exp(x[c] - max);
    }
    return total;
  }

  /** The sum of exp(x - max) (x - max). */
  private static double weightedSum(float[] x, int n, float max) {
    double total = 0;
    int body = F.loopBound(n);
    for (int from = 0; from < body; from += 64 * N) {
      FloatVector sums = FloatVector.zero(F);
      for (int c = from; c < Math.min(body, from + 64 * N); c += N) {
        FloatVector d = FloatVector.fromArray(F, x, c).sub(max);
        sums = Lanes.exp(d).fma(d.max(-1e30f), sums);
      }
      total += Lanes.sum(sums);
    }
    for (int c = body; c < n; c++) {
      float d = x[c] - max;
      total += Lanes.exp(d) * Math.max(d, -1e30f);
    }
    return total;
  }

  void backward(
      Tensor logits, int rows, int[] targets, int offset, float[] logSumExp, float[] coefficients) {
    CpuTensor in = CpuTensor.of(logits);
    int n = in.cols();
    workers.run(
        (i, worker) -> {
          float[] l = buffers.get(worker, 0, n);
          in.read(i, l, n);
          float coefficient = coefficients[offset + i];
          softmaxBackward(l, n, logSumExp[offset + i], -coefficient);
          l[targets[offset + i]] += coefficient;
          in.write(i, l, 0, n);
        },
        rows);
  }

  /** x = factor exp(x - normaliser). */
  private static void softmaxBackward(float[] x, int n, float normaliser, float factor) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      Lanes.exp(FloatVector.fromArray(F, x, c).sub(normaliser)).mul(factor).intoArray(x, c);
    }
    for (int c = body; c < n; c++) {
      x[c] = Lanes.exp(x[c] - normaliser) * factor;
    }
  }
}
