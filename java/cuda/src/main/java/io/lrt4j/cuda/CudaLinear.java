package io.lrt4j.cuda;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import java.util.List;

/**
 * A projection on the device.
 *
 * @param pieces bf16 numbers that cuBLAS gets an activation as: 2, or 1 if it is to be rounded
 */
record CudaLinear(int in, int out, List<Part> parts, int pieces, CudaMemory memory)
    implements Linear {

  /**
   * Some outputs whose weights are of one type.
   *
   * @param weights address of [out, padded], zeros behind column {@code in}
   * @param padded elements of a row: a multiple of eight
   * @param bias address of [out] f32; 0 without one
   */
  record Part(DType dtype, int out, long weights, int padded, long bias) {}

  CudaLinear {
    parts = List.copyOf(parts);
  }

  @Override
  public long bytes() {
    return parts.stream().mapToLong(p -> p.dtype.bytes((long) p.out * p.padded)).sum();
  }

  static CudaLinear of(Linear linear) {
    CudaLinear l = (CudaLinear) linear;
    l.memory.checkOpen();
    return l;
  }
}
