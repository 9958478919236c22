package io.lrt4j.compute.cpu;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Panels;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Memory outside the Java heap, aligned to cache lines; weights are used where they lie. */
public final class CpuMemory implements Memory {
  private static final int ALIGNMENT = 64;
  private final Arena arena;
  private final Quantization quantization;
  private final boolean rounded;
  private long bytes;

  /** Empty memory. */
  public CpuMemory() {
    this(false, Quantization.NONE, false);
  }

  /** Empty memory of a backend that multiplies rounded weights, and rounds them if asked to. */
  CpuMemory(Quantization quantization) {
    this(false, quantization, true);
  }

  /** Working memory of the calling thread alone: to close it, no other one has to be stopped. */
  static CpuMemory ofThisThread() {
    return new CpuMemory(true, Quantization.NONE, false);
  }

  @SuppressWarnings("MustBeClosedChecker") // close() does
  private CpuMemory(boolean confined, Quantization quantization, boolean rounded) {
    this.arena = confined ? Arena.ofConfined() : Arena.ofShared();
    this.quantization = quantization;
    this.rounded = rounded;
  }

  @Override
  public CpuTensor allocate(int rows, int cols) {
    return allocate(DType.F32, rows, cols);
  }

  @Override
  public CpuTensor allocate(DType type, int rows, int cols) {
    long size = type.bytes((long) rows * cols);
    try {
      var tensor = new CpuTensor(type, rows, cols, SystemMemory.allocate(size, ALIGNMENT, arena));
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
    if (!copies(weight)) {
      return weight;
    }
    DType type = Rounding.type(quantization, weight);
    long size = type.bytes((long) weight.rows() * weight.cols());
    bytes += size;
    MemorySegment to = arena.allocate(size, ALIGNMENT);
    return weight.panels() ? Panels.unpack(weight, to) : Rounding.round(weight, type, to);
  }

  @Override
  public boolean runs(Weight weight) {
    return rounded || !weight.panels();
  }

  @Override
  public boolean copies(Weight weight) {
    return weight.panels() || Rounding.type(quantization, weight) != weight.dtype();
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
