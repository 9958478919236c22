package io.lrt4j.cuda;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Device memory. Weights are copied to the device; the rows of a projection's are padded with zeros
 * to whole groups of eight, and an embedding that is also a head lies there once.
 */
final class CudaMemory implements Memory {
  /** What a kernel loads at once. */
  private static final int GROUP = 8;

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Device device;
  private final int pieces; // of an activation
  private final List<DevicePointer> allocated = new ArrayList<>();

  /** Matrices taken in by {@link #weight}, by where they are stored: a head may be one of them. */
  private final Map<MemorySegment, CudaTensor> matrices = new HashMap<>();

  private long bytes;
  private volatile boolean closed;

  CudaMemory(Device device) {
    this(device, false);
  }

  /**
   * Memory whose projections round activations where that is faster.
   *
   * @param rounds whether they do
   */
  CudaMemory(Device device, boolean rounds) {
    this.device = device;
    pieces = rounds ? 1 : 2;
  }

  void checkOpen() {
    if (closed) {
      throw new IllegalStateException("this device memory was freed");
    }
  }

  /** The caller holds the turn. */
  private DevicePointer take(long size) {
    checkOpen();
    DevicePointer pointer = device.allocate(size);
    allocated.add(pointer);
    bytes += size;
    return pointer;
  }

  @Override
  public CudaTensor allocate(int rows, int cols) {
    long size = DType.F32.bytes((long) rows * cols);
    device.begin();
    try {
      DevicePointer data = take(size);
      device.zero(data, size);
      return new CudaTensor(DType.F32, rows, cols, data, this);
    } finally {
      device.end();
    }
  }

  @Override
  public CudaTensor weight(Weight stored) {
    device.begin();
    try {
      DevicePointer data;
      if (stored.rows() == 1) {
        data = take(DType.F32.bytes(stored.cols()));
        vector(stored, data);
        return new CudaTensor(DType.F32, 1, stored.cols(), data, this);
      }
      long size = stored.data().byteSize();
      data = take(size);
      device.staging().to(data);
      device.staging().put(stored.data(), 0, size);
      device.staging().flush();
      var tensor = new CudaTensor(stored.dtype(), stored.rows(), stored.cols(), data, this);
      matrices.put(stored.data(), tensor);
      return tensor;
    } finally {
      device.end();
    }
  }

  /** Copies a vector of any type as f32. */
  private void vector(Weight stored, DevicePointer to) {
    device.staging().to(to);
    put(stored);
    device.staging().flush();
  }

  private void put(Weight vector) {
    float[] values = new float[vector.cols()];
    for (int i = 0; i < values.length; i++) {
      values[i] = element(vector.dtype(), vector.data(), i);
    }
    device.staging().put(MemorySegment.ofArray(values), 0, 4L * values.length);
  }

  /** Element {@code i} of a row, as f32. */
  static float element(DType dtype, MemorySegment data, int i) {
    return switch (dtype) {
      case F32 -> data.get(FLOAT, 4L * i);
      case F16 -> Float.float16ToFloat(data.get(SHORT, 2L * i));
      case BF16 -> Float.intBitsToFloat(data.get(SHORT, 2L * i) << 16);
      case Q8, Q4 -> throw new IllegalArgumentException("rounded weights have no single elements");
    };
  }

  @Override
  public Linear linear(List<Part> parts) {
    int in = parts.getFirst().weight().cols();
    int out = 0;
    for (Part part : parts) {
      Weight w = part.weight();
      if (w.cols() != in) {
        throw new IllegalArgumentException("the parts of a projection need one input width");
      }
      if (part.bias() != null && part.bias().cols() != w.rows()) {
        throw new IllegalArgumentException(
            "expected a bias of " + w.rows() + ", found " + part.bias().cols());
      }
      out += w.rows();
    }
    List<CudaLinear.Part> all = new ArrayList<>();
    device.begin();
    try {
      for (int from = 0; from < parts.size(); ) {
        DType dtype = parts.get(from).weight().dtype();
        int to = from + 1;
        while (to < parts.size() && parts.get(to).weight().dtype() == dtype) {
          to++;
        }
        all.add(together(dtype, in, parts.subList(from, to)));
        from = to;
      }
    } finally {
      device.end();
    }
    return new CudaLinear(in, out, all, pieces, this);
  }

  @Override
  public boolean copies(Weight weight) {
    return true; // the staging buffer has been flushed when a projection is there
  }

  /** Parts of one type are one matrix: one launch. */
  private CudaLinear.Part together(DType dtype, int in, List<Part> parts) {
    int padded = Math.multiplyExact(Math.ceilDiv(in, GROUP), GROUP);
    long rowBytes = dtype.bytes(in);
    int out = parts.stream().mapToInt(p -> p.weight().rows()).sum();
    long bias = bias(out, parts);
    Weight only = parts.getFirst().weight();
    CudaTensor there = parts.size() == 1 && padded == in ? matrices.get(only.data()) : null;
    if (there != null && there.dtype() == dtype && there.cols() == in) {
      return new CudaLinear.Part(dtype, out, there.row(0), padded, bias);
    }
    DevicePointer weights = take(dtype.bytes(Math.multiplyExact((long) out, padded)));
    Staging staging = device.staging();
    staging.to(weights);
    for (Part part : parts) {
      Weight w = part.weight();
      if (padded == in) {
        staging.put(w.data(), 0, w.data().byteSize());
        continue;
      }
      for (int row = 0; row < w.rows(); row++) {
        staging.put(w.data(), row * rowBytes, rowBytes);
        staging.zeros(dtype.bytes(padded) - rowBytes);
      }
    }
    staging.flush();
    return new CudaLinear.Part(dtype, out, weights.address(), padded, bias);
  }

  /** Address of all parts' biases, zeros where a part has none; 0 if no part has one. */
  private long bias(int out, List<Part> parts) {
    if (parts.stream().allMatch(p -> p.bias() == null)) {
      return 0;
    }
    DevicePointer data = take(DType.F32.bytes(out));
    device.staging().to(data);
    for (Part part : parts) {
      @Nullable Weight bias = part.bias();
      if (bias == null) {
        device.staging().zeros(DType.F32.bytes(part.weight().rows()));
      } else {
        put(bias);
      }
    }
    device.staging().flush();
    return data.address();
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      device.freeAll(allocated);
      allocated.clear();
      matrices.clear();
    }
  }
}
