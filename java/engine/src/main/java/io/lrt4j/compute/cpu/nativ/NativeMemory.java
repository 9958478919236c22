package io.lrt4j.compute.cpu.nativ;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.RoundedRow;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.CpuMemory;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tensors as on the other CPU backends; projections are packed into large pages, which the
 * processor reads faster than a file's small ones.
 */
final class NativeMemory implements Memory {
  private static final long LARGE = 1 << 20; // from here on, in large pages
  private static final long SLAB = 32 << 20; // that weights share: a page of each would be waste
  private static final long MOST_MAPPED = 32 << 20; // bytes that are packed at a time
  private static final int ALIGNMENT = 64;
  // as in lrt4j.h
  private static final int BF16_ROUNDED = 4; // multiplied by rounded activations
  private static final int FOLDED = 6; // bf16 in 12 bits
  private static final int FOLDED_ROUNDED = 7;
  private static final int MOST_LISTED = 1000; // one of so many: each takes as long as a step

  private final NativeBackend backend;
  private final Quantization quantization;
  private final CpuMemory tensors = new CpuMemory();
  private final Arena arena = Arena.ofShared();
  private long packedBytes;
  private MemorySegment slab = MemorySegment.NULL;
  private long used; // of the slab

  NativeMemory(NativeBackend backend, Quantization quantization) {
    this.backend = backend;
    this.quantization = quantization;
  }

  @Override
  public CpuTensor allocate(int rows, int cols) {
    return tensors.allocate(rows, cols);
  }

  @Override
  public CpuTensor allocate(DType type, int rows, int cols) {
    return tensors.allocate(type, rows, cols);
  }

  @Override
  public CpuTensor weight(Weight stored) {
    return tensors.weight(stored);
  }

  @Override
  public Linear linear(List<Part> parts) {
    int in = parts.getFirst().weight().cols();
    List<NativeLinear.Part> packed = new ArrayList<>();
    for (Part part : parts) {
      Weight w = part.weight();
      if (w.cols() != in) {
        throw new IllegalArgumentException("the parts of a projection need one input width");
      }
      CpuTensor bias = part.bias() == null ? null : tensors.weight(part.bias());
      if (bias != null && bias.cols() != w.rows()) {
        throw new IllegalArgumentException(
            "expected a bias of " + w.rows() + ", found " + bias.cols());
      }
      packed.add(part(w, bias));
    }
    return NativeLinear.of(in, packed, arena);
  }

  @Override
  public @Nullable Tensor table(Linear head) {
    NativeLinear linear = NativeLinear.of(head);
    if (linear.count() > 1) {
      return null;
    }
    NativeLinear.Part only = linear.layers().getFirst();
    if (only.dtype() == FOLDED || only.dtype() == FOLDED_ROUNDED) {
      return new FoldedRows(only.out(), linear.in(), only.packed());
    }
    int dtype = only.dtype() == BF16_ROUNDED ? number(DType.BF16) : only.dtype();
    for (DType type : DType.values()) {
      if (number(type) != dtype) {
        continue;
      }
      if (RoundedRow.suits(type)) {
        return new CpuTensor(type, only.out(), linear.in(), only.packed(), true);
      } else {
        return new PackedRows(type, only.out(), linear.in(), only.packed());
      }
    }
    return null;
  }

  @Override
  public DType kept(Weight weight) {
    return Rounding.type(quantization, weight);
  }

  private NativeLinear.Part part(Weight w, @Nullable CpuTensor bias) {
    DType type = kept(w);
    if (w.panels()) { // packed already
      return new NativeLinear.Part(number(type), w.rows(), w.data(), bias);
    }
    boolean rounded = type == DType.BF16 && quantization == Quantization.BF16;
    if (type == DType.BF16 && w.dtype() == DType.BF16 && backend.folds()) {
      MemorySegment folded = fold(w);
      if (folded != null) {
        return new NativeLinear.Part(rounded ? FOLDED_ROUNDED : FOLDED, w.rows(), folded, bias);
      }
    }
    int dtype = rounded ? BF16_ROUNDED : number(type);
    return new NativeLinear.Part(dtype, w.rows(), pack(w, type), bias);
  }

  /** As in lrt4j.h. */
  static int number(DType dtype) {
    return switch (dtype) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 2;
      case Q8 -> 3;
      case Q4 -> 5;
    };
  }

  /** Some rows of a weight, from one on. */
  private interface Piece {
    /** Given what the piece before returned, 0 first. */
    long pack(int row, int rows, MemorySegment from, long before);
  }

  /**
   * Goes through a weight; of a mapping never more is held than is being packed. Returns what the
   * last piece did.
   */
  private static long pieces(Weight w, Piece piece) {
    long before = 0;
    int some = w.rows();
    if (w.data().isMapped()) {
      long group = w.dtype().bytes((long) FoldedRows.GROUP * w.cols()); // two panels
      some = (int) Math.min(some, Math.ceilDiv(MOST_MAPPED, group) * FoldedRows.GROUP);
    }
    for (int row = 0; row < w.rows(); row += some) {
      int rows = Math.min(some, w.rows() - row);
      long size = w.dtype().bytes((long) rows * w.cols());
      MemorySegment from = w.data().asSlice(w.dtype().bytes((long) row * w.cols()), size);
      before = piece.pack(row, rows, from, before);
      if (from.isMapped()) {
        from.unload();
      }
    }
    return before;
  }

  private MemorySegment pack(Weight w, DType type) {
    int dtype = number(type);
    int in = w.cols();
    long bytes = NativeCalls.packedBytes(dtype, w.rows(), in);
    MemorySegment packed = room(bytes);
    packedBytes += bytes;
    long wrong =
        pieces(
            w,
            (row, rows, from, before) -> {
              MemorySegment to = packed.asSlice(NativeCalls.packedBytes(dtype, row, in));
              boolean whole = backend.pack(number(w.dtype()), dtype, rows, in, from, to);
              return whole ? before : before + 1;
            });
    if (wrong > 0) {
      throw Rounding.unroundable(w, type);
    }
    return packed;
  }

  /** A bf16 weight in 12 bits, or null where that would not be less to read, or no faster. */
  private @Nullable MemorySegment fold(Weight w) {
    int in = w.cols();
    long whole = NativeCalls.foldedBytes(w.rows(), in);
    if (whole == 0 || whole >= NativeCalls.packedBytes(number(DType.BF16), w.rows(), in)) {
      return null;
    }
    int groups = Math.ceilDiv(w.rows(), FoldedRows.GROUP);
    try (Arena counting = Arena.ofConfined()) {
      MemorySegment lists = counting.allocate(ValueLayout.JAVA_LONG, groups);
      MemorySegment none = MemorySegment.NULL;
      long listed =
          pieces(
              w,
              (row, rows, from, before) ->
                  backend.fold(rows, in, from, none, none, ofGroups(lists, row), before));
      if ((listed - groups) * MOST_LISTED > (long) w.rows() * in) {
        return null;
      }
      long bytes = whole + listed * FoldedRows.LISTED_BYTES;
      MemorySegment folded = room(bytes);
      packedBytes += bytes;
      MemorySegment list = folded.asSlice(whole);
      pieces(
          w,
          (row, rows, from, _) -> {
            MemorySegment to = folded.asSlice(NativeCalls.foldedBytes(row, in));
            return backend.fold(rows, in, from, to, list, ofGroups(lists, row), 0);
          });
      return folded;
    }
  }

  private static MemorySegment ofGroups(MemorySegment lists, int row) {
    return lists.asSlice((long) row / FoldedRows.GROUP * Long.BYTES);
  }

  /** Side by side, as they are read: a slab takes no memory until it is written. */
  private MemorySegment room(long bytes) {
    if (packedBytes + bytes < LARGE) {
      return arena.allocate(bytes, ALIGNMENT);
    }
    if (bytes > SLAB / 2) {
      return large(bytes);
    }
    if (used + bytes > slab.byteSize()) {
      slab = large(SLAB);
      used = 0;
    }
    MemorySegment part = slab.asSlice(used, bytes);
    used += Math.ceilDiv(bytes, ALIGNMENT) * (long) ALIGNMENT;
    return part;
  }

  @SuppressWarnings("restricted") // its size is what was asked for
  private MemorySegment large(long bytes) {
    MemorySegment data = NativeCalls.allocate(bytes);
    if (data.address() == 0) {
      throw new BackendException("no memory for weights of " + bytes + " bytes");
    }
    return data.reinterpret(bytes, arena, freed -> NativeCalls.free(freed, bytes));
  }

  @Override
  public boolean runs(Weight weight) {
    return true;
  }

  @Override
  public boolean copies(Weight weight) {
    return !weight.panels();
  }

  @Override
  public long bytes() {
    return tensors.bytes() + packedBytes;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
    tensors.close();
  }
}
