package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** What training on a CPU shares: views, and moving rows that is not worth a kernel. */
abstract class CpuTraining implements TrainingBackend {
  private final Backend backend;

  CpuTraining(Backend backend) {
    this.backend = backend;
  }

  @Override
  public Backend backend() {
    return backend;
  }

  @Override
  public Linear linear(Tensor w, @Nullable Tensor bias) {
    return CpuLinear.of(CpuTensor.of(w), bias == null ? null : CpuTensor.of(bias));
  }

  @Override
  public Tensor view(Tensor of, long at, int rows, int cols) {
    CpuTensor whole = CpuTensor.of(of);
    long bytes = whole.dtype().bytes((long) rows * cols);
    return new CpuTensor(
        whole.dtype(), rows, cols, whole.data().asSlice(whole.dtype().bytes(at), bytes));
  }

  @Override
  public void embedBackward(Tensor dx, int[] ids, int offset, int rows, Tensor dTable) {
    scatterAdd(dx, ids, offset, rows, dTable);
  }

  @Override
  public void gather(Tensor from, int[] at, int offset, int rows, Tensor to) {
    CpuTensor source = CpuTensor.of(from);
    CpuTensor target = CpuTensor.of(to);
    for (int i = 0; i < rows; i++) {
      MemorySegment.copy(
          source.data(), source.row(at[offset + i]), target.data(), target.row(i), source.stride());
    }
  }

  @Override
  public void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out, int outRow) {
    CpuTensor a = CpuTensor.of(row);
    CpuTensor b = CpuTensor.of(by);
    CpuTensor o = CpuTensor.of(out);
    for (int i = 0; i < rows; i++) {
      for (int c = 0; c < a.cols(); c++) {
        o.set(outRow + i, c, a.get(fromRow, c) * b.get(i, c));
      }
    }
  }

  @Override
  public void multiplyRowBackward(
      Tensor dOut,
      int outRow,
      Tensor row,
      int fromRow,
      Tensor by,
      int rows,
      Tensor dRow,
      int toRow,
      Tensor dBy) {
    float[] factor = row(row, fromRow);
    float[] sum = new float[factor.length];
    for (int i = 0; i < rows; i++) {
      float[] d = row(dOut, outRow + i);
      float[] other = row(by, i);
      for (int c = 0; c < d.length; c++) {
        sum[c] += d[c] * other[c];
        d[c] *= factor[c];
      }
      add(d, dBy, i);
    }
    put(sum, dRow, toRow);
  }

  @Override
  public void zero(Tensor x, int rows) {
    CpuTensor t = CpuTensor.of(x);
    t.data().asSlice(0, rows * t.stride()).fill((byte) 0);
  }

  /** One row. */
  static float[] row(Tensor x, int row) {
    CpuTensor from = CpuTensor.of(x);
    float[] values = new float[from.cols()];
    from.read(row, values, values.length);
    return values;
  }

  /** Sets a row. */
  static void put(float[] values, Tensor x, int row) {
    CpuTensor to = CpuTensor.of(x);
    for (int c = 0; c < values.length; c++) {
      to.set(row, c, values[c]);
    }
  }

  /** Adds to a row. */
  static void add(float[] values, Tensor x, int row) {
    CpuTensor to = CpuTensor.of(x);
    for (int c = 0; c < values.length; c++) {
      to.set(row, c, to.get(row, c) + values[c]);
    }
  }
}
