package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;

import com.sun.management.OperatingSystemMXBean;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.RoundedRow;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;

/** What all CPU backends share: memory, and moving data that is not worth a kernel. */
public abstract class CpuBackend implements Backend {
  @Override
  public Memory newMemory() {
    return new CpuMemory();
  }

  @Override
  public boolean caches(DType type) {
    return type == DType.F32 || type == DType.F16 || type == DType.Q8;
  }

  @Override
  public long cacheMemory() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize()
        / 2;
  }

  @Override
  public void embed(Tensor table, int[] ids, int offset, int rows, Tensor x) {
    CpuTensor from = CpuTensor.of(table);
    CpuTensor to = CpuTensor.of(x);
    boolean rounded = RoundedRow.suits(from.dtype());
    for (int i = 0; i < rows; i++) {
      int id = ids[offset + i];
      if (rounded) {
        Rounding.read(
            from.dtype(), from.cols(), from.panels(), from.data(), id, to.data(), to.row(i));
      } else {
        copyRows(from, id, to, i, 1);
      }
    }
  }

  @Override
  public void copyRows(Tensor from, int fromRow, Tensor to, int toRow, int rows) {
    CpuTensor source = CpuTensor.of(from);
    CpuTensor target = CpuTensor.of(to);
    if (source.dtype() == target.dtype()) {
      MemorySegment.copy(
          source.data(),
          source.row(fromRow),
          target.data(),
          target.row(toRow),
          rows * source.stride());
      return;
    }
    widen(source, fromRow, target, toRow, rows);
  }

  /** Rows of any type, as f32. */
  static void widen(CpuTensor source, int fromRow, CpuTensor target, int toRow, int rows) {
    long in = source.row(fromRow);
    long out = target.row(toRow);
    long count = (long) rows * source.cols();
    if (source.dtype() == DType.BF16) { // what most embeddings are
      for (long i = 0; i < count; i++) {
        int bits = source.data().get(CpuTensor.SHORT, in + i * 2) << 16;
        target.data().set(FLOAT, out + i * 4, Float.intBitsToFloat(bits));
      }
      return;
    }
    for (long i = 0; i < count; i++) {
      float value = CpuTensor.load(source.dtype(), source.data(), in + source.dtype().bytes(i));
      target.data().set(FLOAT, out + i * 4, value);
    }
  }

  @Override
  public void write(float[] from, Tensor to, int row, int rows) {
    CpuTensor.of(to).write(row, from, 0, rows * to.cols());
  }

  @Override
  public void read(Tensor from, int row, float[] to, int rows) {
    CpuTensor.of(from).read(row, to, rows * from.cols());
  }

  @Override
  public void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out) {
    CpuTensor a = CpuTensor.of(row);
    CpuTensor b = CpuTensor.of(by);
    CpuTensor o = CpuTensor.of(out);
    for (int i = 0; i < rows; i++) {
      for (int c = 0; c < a.cols(); c++) {
        o.set(i, c, a.get(fromRow, c) * b.get(i, c));
      }
    }
  }
}
