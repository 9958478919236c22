package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** x / sqrt(mean(x²) + eps) * weight. */
final class VectorNorm {
  private VectorNorm() {}

  /**
   * Norms the {@code n} elements of x from {@code at} on, in place; the weight is f32 (see {@link
   * CpuMemory#weight}).
   */
  static void rmsNorm(float[] x, int at, int n, CpuTensor weight, float eps) {
    MemorySegment w = weight.data();
    int body = n / N * N;
    FloatVector squares = FloatVector.zero(F);
    for (int c = 0; c < body; c += N) {
      FloatVector v = FloatVector.fromArray(F, x, at + c);
      squares = v.fma(v, squares);
    }
    float sum = Lanes.sum(squares);
    for (int c = body; c < n; c++) {
      sum = Math.fma(x[at + c], x[at + c], sum);
    }
    float scale = (float) (1 / Math.sqrt(sum / n + eps));
    for (int c = 0; c < body; c += N) {
      FloatVector.fromArray(F, x, at + c)
          .mul(scale)
          .mul(FloatVector.fromMemorySegment(F, w, c * 4L, LE))
          .intoArray(x, at + c);
    }
    for (int c = body; c < n; c++) {
      x[at + c] = x[at + c] * scale * w.get(FLOAT, c * 4L);
    }
  }
}
