package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend.AdamW;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** What an optimiser does with every element, chunk by chunk: sum squares, step by AdamW, round. */
final class VectorOptimizer {
  /** Elements of one task. */
  private static final int CHUNK = 1 << 14;

  private final Workers workers;
  private final WorkerBuffers buffers;

  VectorOptimizer(Workers workers, WorkerBuffers buffers) {
    this.workers = workers;
    this.buffers = buffers;
  }

  private static long elements(Tensor x) {
    return (long) x.rows() * x.cols();
  }

  private static int chunks(Tensor x) {
    return Math.toIntExact(Math.ceilDiv(elements(x), CHUNK));
  }

  double sumOfSquares(Tensor x) {
    MemorySegment data = CpuTensor.of(x).data();
    double[] sums = new double[chunks(x)];
    workers.run(
        (chunk, worker) -> {
          long first = (long) chunk * CHUNK;
          int n = (int) Math.min(CHUNK, elements(x) - first);
          float[] v = buffers.get(worker, 0, CHUNK);
          MemorySegment.copy(data, FLOAT, first * 4, v, 0, n);
          sums[chunk] = sumOfSquares(v, n);
        },
        sums.length);
    double sum = 0;
    for (double s : sums) {
      sum += s;
    }
    return sum;
  }

  /** In f64, as the square of an f32 may be none; four sums at a time, so that none waits. */
  static double sumOfSquares(float[] x, int n) {
    double sum0 = 0;
    double sum1 = 0;
    double sum2 = 0;
    double sum3 = 0;
    int body = n & -4;
    for (int i = 0; i < body; i += 4) {
      sum0 += (double) x[i] * x[i];
      sum1 += (double) x[i + 1] * x[i + 1];
      sum2 += (double) x[i + 2] * x[i + 2];
      sum3 += (double) x[i + 3] * x[i + 3];
    }
    for (int i = body; i < n; i++) {
      sum0 += (double) x[i] * x[i];
    }
    return sum0 + sum1 + (sum2 + sum3);
  }

  void adamw(
      Tensor p,
      Tensor g,
      Tensor m,
      Tensor v,
      AdamW settings,
      float learningRate,
      float gradientScale,
      int step) {
    MemorySegment pData = CpuTensor.of(p).data();
    MemorySegment gData = CpuTensor.of(g).data();
    MemorySegment mData = CpuTensor.of(m).data();
    MemorySegment vData = CpuTensor.of(v).data();
    var update = new Update(settings, learningRate, gradientScale, step);
    workers.run(
        (chunk, worker) -> {
          long at = (long) chunk * CHUNK * 4;
          int n = (int) Math.min(CHUNK, elements(p) - (long) chunk * CHUNK);
          float[] parameters = buffers.get(worker, 0, CHUNK);
          float[] gradients = buffers.get(worker, 1, CHUNK);
          float[] first = buffers.get(worker, 2, CHUNK);
          float[] second = buffers.get(worker, 3, CHUNK);
          MemorySegment.copy(pData, FLOAT, at, parameters, 0, n);
          MemorySegment.copy(gData, FLOAT, at, gradients, 0, n);
          MemorySegment.copy(mData, FLOAT, at, first, 0, n);
          MemorySegment.copy(vData, FLOAT, at, second, 0, n);
          update.apply(parameters, gradients, first, second, n);
          MemorySegment.copy(parameters, 0, pData, FLOAT, at, n);
          MemorySegment.copy(first, 0, mData, FLOAT, at, n);
          MemorySegment.copy(second, 0, vData, FLOAT, at, n);
        },
        chunks(p));
  }

  /** One step of AdamW with its corrections worked out. */
  private static final class Update {
    final float beta1;
    final float beta2;
    final float eps;
    final float scale;
    final float keep; // 1 - lr decay
    final float rate; // lr / (1 - beta1^step)
    final float correction; // 1 / sqrt(1 - beta2^step)

    Update(AdamW settings, float learningRate, float gradientScale, int step) {
      beta1 = settings.beta1();
      beta2 = settings.beta2();
      eps = settings.eps();
      scale = gradientScale;
      keep = (float) (1 - (double) learningRate * settings.decay());
      rate = (float) (learningRate / (1 - Math.pow(beta1, step)));
      correction = (float) (1 / Math.sqrt(1 - Math.pow(beta2, step)));
    }

    void apply(float[] p, float[] g, float[] m, float[] v, int n) {
      int body = F.loopBound(n);
      for (int c = 0; c < body; c += N) {
        FloatVector d = FloatVector.fromArray(F, g, c).mul(scale);
        FloatVector first = FloatVector.fromArray(F, m, c).mul(beta1).add(d.mul(1 - beta1));
        FloatVector second = FloatVector.fromArray(F, v, c).mul(beta2).add(d.mul(d).mul(1 - beta2));
        FloatVector root = second.lanewise(VectorOperators.SQRT).mul(correction).add(eps);
        first.intoArray(m, c);
        second.intoArray(v, c);
        FloatVector.fromArray(F, p, c).mul(keep).sub(first.mul(rate).div(root)).intoArray(p, c);
      }
      for (int c = body; c < n; c++) {
        float d = g[c] * scale;
        m[c] = m[c] * beta1 + d * (1 - beta1);
        v[c] = v[c] * beta2 + d * d * (1 - beta2);
        p[c] = p[c] * keep - m[c] * rate / ((float) Math.sqrt(v[c]) * correction + eps);
      }
    }
  }

  void roundToBf16(Tensor from, Tensor to) {
    MemorySegment source = CpuTensor.of(from).data();
    MemorySegment target = CpuTensor.of(to).data();
    workers.run(
        (chunk, worker) -> {
          long at = (long) chunk * CHUNK * 4;
          int n = (int) Math.min(CHUNK, elements(from) - (long) chunk * CHUNK);
          float[] v = buffers.get(worker, 0, CHUNK);
          MemorySegment.copy(source, FLOAT, at, v, 0, n);
          round(v, n);
          MemorySegment.copy(v, 0, target, FLOAT, at, n);
        },
        chunks(from));
  }

  private static void round(float[] x, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector v = FloatVector.fromArray(F, x, c);
      IntVector bits = v.reinterpretAsInts();
      IntVector even = bits.lanewise(VectorOperators.LSHR, 16).and(1).add(0x7FFF);
      IntVector rounded = bits.add(even).and(0xFFFF0000);
      IntVector nan = bits.and(0xFFFF0000).or(0x400000);
      rounded
          .blend(nan, v.test(VectorOperators.IS_NAN).cast(Lanes.I))
          .reinterpretAsFloats()
          .intoArray(x, c);
    }
    for (int c = body; c < n; c++) {
      x[c] = Float.intBitsToFloat(ScalarTraining.bf16(x[c]) << Short.SIZE);
    }
  }
}
