package io.lrt4j.cuda;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Tensor;

/** A row-major matrix on the device, freed with its memory. */
record CudaTensor(DType dtype, int rows, int cols, DevicePointer data, CudaMemory memory)
    implements Tensor {

  static CudaTensor of(Tensor tensor) {
    return (CudaTensor) tensor;
  }

  /** Address of a row. */
  long row(int row) {
    memory.checkOpen();
    return data.address() + offset(row);
  }

  /** Bytes before a row. */
  long offset(int row) {
    return row * dtype.bytes(cols);
  }

  /** Address of a tensor of f32. */
  static long floats(Tensor tensor) {
    CudaTensor t = of(tensor);
    if (t.dtype != DType.F32) {
      throw new IllegalArgumentException("expected a tensor of f32, found " + t.dtype);
    }
    return t.row(0);
  }
}
