package io.lrt4j.compute.cpu;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** Memory outside the Java heap, aligned to cache lines; weights are used where they lie. */
public final class CpuMemory implements Memory {
  private static final int ALIGNMENT = 64;
  private final Arena arena = Arena.ofShared();
  private final Quantization quantization;
  private long bytes;

  /** Empty memory. */
  public CpuMemory() {
    this(Quantization.NONE);
  }

  CpuMemory(Quantization quantization) {
    this.quantization = quantization;
  }

  @Override
  public CpuTensor allocate(int rows, int cols) {
    long size = DType.F32.bytes((long) rows * cols);
    try {
      var tensor =
          new CpuTensor(DType.F32, rows, cols, SystemMemory.allocate(size, ALIGNMENT, arena));
      bytes += size;
      return tensor;
    } catch (OutOfMemoryError e) {
      throw new BackendException(
          "no memory for a tensor [" + rows + ", " + cols + "] of " + size + " bytes", e);
    }
  }

  @Override
  public CpuTensor weight(Weight stored) {
    CpuTensor inPlace = new CpuTensor(stored.dtype(), stored.rows(), stored.cols(), stored.data());
    if (stored.rows() > 1 || stored.dtype() == DType.F32) {
      return inPlace;
    }
    // Small, and the kernels then need not tell.
    CpuTensor converted = allocate(1, stored.cols());
    CpuBackend.widen(inPlace, 0, converted, 0, 1);
    return converted;
  }

  @Override
  public CpuLinear linear(List<Part> parts) {
    List<CpuLinear.Part> all = new ArrayList<>();
    for (Part part : parts) {
      Weight w = quantized(part.weight());
      CpuTensor weight = new CpuTensor(w.dtype(), w.rows(), w.cols(), w.data());
      all.add(new CpuLinear.Part(weight, part.bias() == null ? null : weight(part.bias())));
    }
    return new CpuLinear(all);
  }

  private Weight quantized(Weight weight) {
    DType type = Rounding.type(quantization, weight);
    if (type == weight.dtype()) {
      return weight;
    }
    long size = type.bytes((long) weight.rows() * weight.cols());
    bytes += size;
    return Rounding.round(weight, type, arena.allocate(size, ALIGNMENT));
  }

  @Override
  public boolean copies(Weight weight) {
    return Rounding.type(quantization, weight) != weight.dtype();
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
