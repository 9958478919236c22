package io.lrt4j.compute.cpu;

import io.lrt4j.compute.DType;

/** A row of activations as blocks of signed bytes; the scales keep all their bits. */
final class RoundedRow {
  private final byte[] bytes;
  private final float[] scales;

  RoundedRow(float[] x) {
    bytes = new byte[x.length];
    scales = new float[x.length / Q8.BLOCK];
    for (int block = 0; block < scales.length; block++) {
      float largest = Q8.largest(x, block * Q8.BLOCK);
      float inverse = largest > 0 ? Q8.LARGEST / largest : 0;
      for (int i = block * Q8.BLOCK; i < (block + 1) * Q8.BLOCK; i++) {
        bytes[i] = (byte) Math.rint(x[i] * inverse);
      }
      scales[block] = largest / Q8.LARGEST;
    }
  }

  /** Whether weights of a type are multiplied by rounded rows. */
  static boolean suits(DType type) {
    return type == DType.Q8 || type == DType.Q4;
  }

  /** The product with a row of a q8 or q4 weight. */
  float dot(CpuTensor weight, int row) {
    float sum = 0;
    long at = weight.row(row);
    for (int block = 0; block < scales.length; block++, at += weight.dtype().blockBytes()) {
      int from = block * Q8.BLOCK;
      int whole =
          weight.dtype() == DType.Q8
              ? Q8.dot(bytes, from, weight.data(), at)
              : Q4.dot(bytes, from, weight.data(), at);
      float scale = Float.float16ToFloat(weight.data().get(CpuTensor.SHORT, at));
      sum = Math.fma(whole * scales[block], scale, sum);
    }
    return sum;
  }
}
