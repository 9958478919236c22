package io.lrt4j.compute.cpu;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Panels;
import io.lrt4j.compute.RoundedRow;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Memory outside the Java heap, aligned to cache lines; weights are used where they lie. */
public final class CpuMemory implements Memory {
  private static final int ALIGNMENT = 64;
  private static final long LARGE = 1 << 20; // rounded weights from here on: in slabs
  private static final long SLAB =
      32 << 20; // that they share, in large pages, which are read faster

  private final Arena arena;
  private final Quantization quantization;
  private final Rounded rounded;
  private long bytes;
  private long roundedBytes;
  private MemorySegment slab = MemorySegment.NULL;
  private long used; // of the slab

  /** How a backend wants rounded weights. */
  enum Rounded {
    NEVER,
    IN_ROWS,
    IN_PANELS
  }

  /** Empty memory. */
  public CpuMemory() {
    this(false, Quantization.NONE, Rounded.NEVER);
  }

  /** Empty memory of a backend that multiplies rounded weights, and rounds them if asked to. */
  CpuMemory(Quantization quantization, Rounded rounded) {
    this(false, quantization, rounded);
  }

  /** Working memory of the calling thread alone: to close it, no other one has to be stopped. */
  static CpuMemory ofThisThread() {
    return new CpuMemory(true, Quantization.NONE, Rounded.NEVER);
  }

  @SuppressWarnings("MustBeClosedChecker") // close() does
  private CpuMemory(boolean confined, Quantization quantization, Rounded rounded) {
    this.arena = confined ? Arena.ofConfined() : Arena.ofShared();
    this.quantization = quantization;
    this.rounded = rounded;
  }

  /**
   * The segment itself, if it has not been freed: whoever reads it by its address, in C or here,
   * would not be told.
   *
   * @throws IllegalStateException if it has been
   */
  public static MemorySegment alive(MemorySegment data) {
    if (!data.scope().isAlive()) {
      throw new IllegalStateException("memory that has been freed");
    }
    return data;
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
      CpuTensor weight = new CpuTensor(w.dtype(), w.rows(), w.cols(), w.data(), w.panels());
      all.add(new CpuLinear.Part(weight, part.bias() == null ? null : weight(part.bias())));
    }
    return new CpuLinear(all);
  }

  private Weight quantized(Weight weight) {
    if (!copies(weight)) {
      return weight;
    }
    DType type = kept(weight);
    boolean panels = rounded == Rounded.IN_PANELS;
    long size = Weight.bytes(type, weight.rows(), weight.cols(), panels);
    MemorySegment to = room(size);
    bytes += size;
    if (weight.panels()) {
      return Panels.unpack(weight, to);
    }
    if (!panels) {
      return Rounding.round(weight, type, to);
    }
    try (Arena scratch = Arena.ofShared()) {
      long inRows = Weight.bytes(type, weight.rows(), weight.cols(), false);
      MemorySegment rows = SystemMemory.allocate(inRows, ALIGNMENT, scratch);
      return Panels.pack(Rounding.round(weight, type, rows), to);
    }
  }

  /** Side by side, as they are read: a slab takes hardly any memory until it is written. */
  private MemorySegment room(long size) {
    roundedBytes += size;
    if (roundedBytes < LARGE || size > SLAB / 2) {
      return SystemMemory.allocate(size, ALIGNMENT, arena);
    }
    if (used + size > slab.byteSize()) {
      slab = SystemMemory.allocate(SLAB, ALIGNMENT, arena);
      used = 0;
    }
    MemorySegment part = slab.asSlice(used, size);
    used += Math.ceilDiv(size, ALIGNMENT) * (long) ALIGNMENT;
    return part;
  }

  @Override
  public boolean runs(Weight weight) {
    return rounded != Rounded.NEVER || !weight.panels();
  }

  @Override
  public DType kept(Weight weight) {
    return Rounding.type(quantization, weight);
  }

  @Override
  public @Nullable CpuTensor table(Linear head) {
    List<CpuLinear.Part> parts = CpuLinear.of(head).parts();
    CpuTensor only = parts.getFirst().weight();
    return parts.size() == 1 && RoundedRow.suits(only.dtype()) ? only : null;
  }

  @Override
  public boolean copies(Weight weight) {
    return kept(weight) != weight.dtype() || (weight.panels() && rounded != Rounded.IN_PANELS);
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
