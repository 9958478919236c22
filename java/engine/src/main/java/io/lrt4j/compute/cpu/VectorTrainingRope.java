package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;
import static io.lrt4j.compute.cpu.RowBlocks.BLOCK;
import static io.lrt4j.compute.cpu.VectorTrainingNorm.inverseRms;
import static io.lrt4j.compute.cpu.VectorTrainingNorm.scale;

import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend.Heads;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/** Norms query and key heads and rotates them to their positions, forward and back. */
final class VectorTrainingRope {
  private final RowBlocks blocks;
  private final WorkerBuffers buffers;

  VectorTrainingRope(RowBlocks blocks, WorkerBuffers buffers) {
    this.blocks = blocks;
    this.buffers = buffers;
  }

  void forward(
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      Tensor qkv) {
    CpuTensor in = CpuTensor.of(raw);
    CpuTensor out = CpuTensor.of(qkv);
    CpuTensor angles = CpuTensor.of(rope);
    float[] query = queryNorm == null ? null : CpuTraining.row(queryNorm, 0);
    float[] key = keyNorm == null ? null : CpuTraining.row(keyNorm, 0);
    int dim = heads.headDim();
    int n = heads.columns();
    int rows = batch.rows();
    blocks.run(
        (block, worker) -> {
          int first = block * BLOCK;
          int count = Math.min(BLOCK, rows - first);
          float[] v = buffers.get(worker, 0, BLOCK * n);
          float[] angle = buffers.get(worker, 1, dim);
          in.read(first, v, count * n);
          for (int i = 0; i < count; i++) {
            angles.read(batch.position(first + i), angle, dim);
            for (int h = 0; h < heads.heads() + heads.kvHeads(); h++) {
              int at = i * n + h * dim;
              float[] norm = h < heads.heads() ? query : key;
              if (norm != null) {
                scale(v, at, dim, inverseRms(v, at, dim, eps), norm);
              }
              rotate(v, at, dim / 2, angle, 1);
            }
          }
          out.write(first, v, 0, count * n);
        },
        rows);
  }

  void backward(
      Tensor dqkv,
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      @Nullable Tensor dQueryNorm,
      @Nullable Tensor dKeyNorm) {
    CpuTensor d = CpuTensor.of(dqkv);
    CpuTensor in = CpuTensor.of(raw);
    CpuTensor angles = CpuTensor.of(rope);
    float[] query = queryNorm == null ? null : CpuTraining.row(queryNorm, 0);
    float[] key = keyNorm == null ? null : CpuTraining.row(keyNorm, 0);
    int dim = heads.headDim();
    int n = heads.columns();
    int rows = batch.rows();
    float[] partials = blocks.partials(rows, 2 * dim);
    blocks.run(
        (block, worker) -> {
          int first = block * BLOCK;
          int count = Math.min(BLOCK, rows - first);
          float[] g = buffers.get(worker, 0, BLOCK * n);
          float[] v = buffers.get(worker, 1, BLOCK * n);
          float[] angle = buffers.get(worker, 2, dim);
          d.read(first, g, count * n);
          in.read(first, v, count * n);
          for (int i = 0; i < count; i++) {
            angles.read(batch.position(first + i), angle, dim);
            for (int h = 0; h < heads.heads() + heads.kvHeads(); h++) {
              int at = i * n + h * dim;
              boolean isQuery = h < heads.heads();
              // A rotation's inverse is its transpose: the gradient is turned back.
              rotate(g, at, dim / 2, angle, -1);
              float[] norm = isQuery ? query : key;
              if (norm != null) {
                int sums = 2 * block * dim + (isQuery ? 0 : dim);
                VectorTrainingNorm.backward(g, v, at, dim, norm, eps, partials, sums);
              }
            }
          }
          d.write(first, g, 0, count * n);
        },
        rows);
    if (dQueryNorm != null) {
      blocks.addPartials(rows, 2 * dim, 0, CpuTensor.of(dQueryNorm));
    }
    if (dKeyNorm != null) {
      blocks.addPartials(rows, 2 * dim, dim, CpuTensor.of(dKeyNorm));
    }
  }

  /** Rotates a head by the angles, or with {@code sign} -1 back. */
  private static void rotate(float[] x, int at, int half, float[] angles, float sign) {
    int far = at + half;
    int body = F.loopBound(half);
    for (int c = 0; c < body; c += N) {
      FloatVector cos = FloatVector.fromArray(F, angles, c);
      FloatVector sin = FloatVector.fromArray(F, angles, half + c).mul(sign);
      FloatVector a = FloatVector.fromArray(F, x, at + c);
      FloatVector b = FloatVector.fromArray(F, x, far + c);
      a.mul(cos).sub(b.mul(sin)).intoArray(x, at + c);
      b.mul(cos).add(a.mul(sin)).intoArray(x, far + c);
    }
    for (int c = body; c < half; c++) {
      float cos = angles[c];
      float sin = sign * angles[half + c];
      float a = x[at + c];
      float b = x[far + c];
      x[at + c] = a * cos - b * sin;
      x[far + c] = b * cos + a * sin;
    }
  }
}
