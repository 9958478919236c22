package io.lrt4j.compute.cpu;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * Symmetric rounding to signed bytes, in blocks of 32 that share a scale: largest magnitude / 127.
 * Products are whole numbers within a block, so that all backends agree on them.
 */
public final class Q8 {
  /** Elements of a block. */
  static final int BLOCK = DType.Q8.blockElements();

  private static final int BYTES = DType.Q8.blockBytes();
  private static final int LARGEST = 127;

  private Q8() {}

  /** Whether rows of a weight are whole blocks. */
  public static boolean fits(Weight weight) {
    return weight.cols() % BLOCK == 0;
  }

  /** Writes a weight of a plain type, which {@link #fits}, as q8; rows in parallel. */
  public static Weight quantize(Weight weight, MemorySegment to) {
    int blocks = weight.cols() / BLOCK;
    IntStream.range(0, weight.rows())
        .parallel()
        .forEach(
            row -> {
              float[] x = new float[BLOCK];
              for (int block = 0; block < blocks; block++) {
                long first = (long) row * weight.cols() + (long) block * BLOCK;
                for (int i = 0; i < BLOCK; i++) {
                  x[i] =
                      CpuTensor.load(
                          weight.dtype(), weight.data(), weight.dtype().bytes(first + i));
                }
                quantize(x, to, ((long) row * blocks + block) * BYTES);
              }
            });
    return new Weight(DType.Q8, weight.rows(), weight.cols(), to);
  }

  private static void quantize(float[] x, MemorySegment to, long at) {
    short scale = Float.floatToFloat16(largest(x, 0) / LARGEST);
    float inverse = scale == 0 ? 0 : 1 / Float.float16ToFloat(scale);
    to.set(CpuTensor.SHORT, at, scale);
    for (int i = 0; i < BLOCK; i++) {
      double rounded = Math.rint(x[i] * inverse); // the scale was rounded too: it may be 128
      to.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) Math.clamp(rounded, -LARGEST, LARGEST));
    }
  }

  private static float largest(float[] x, int from) {
    float largest = 0;
    for (int i = from; i < from + BLOCK; i++) {
      largest = Math.max(largest, Math.abs(x[i])); // NaN stays NaN
    }
    return largest;
  }

  /** A row of activations, rounded to bytes; the scales keep all their bits. */
  static final class Row {
    private final byte[] bytes;
    private final float[] scales;

    Row(float[] x) {
      bytes = new byte[x.length];
      scales = new float[x.length / BLOCK];
      for (int block = 0; block < scales.length; block++) {
        float largest = largest(x, block * BLOCK);
        float inverse = largest > 0 ? LARGEST / largest : 0;
        for (int i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
          bytes[i] = (byte) Math.rint(x[i] * inverse);
        }
        scales[block] = largest / LARGEST;
      }
    }

    /** The product with a row of a q8 weight. */
    float dot(CpuTensor weight, int row) {
      float sum = 0;
      long at = weight.row(row);
      for (int block = 0; block < scales.length; block++, at += BYTES) {
        int whole = 0;
        for (int i = 0; i < BLOCK; i++) {
          whole += bytes[block * BLOCK + i] * weight.data().get(ValueLayout.JAVA_BYTE, at + 2 + i);
        }
        float scale = Float.float16ToFloat(weight.data().get(CpuTensor.SHORT, at));
        sum = Math.fma(whole * scales[block], scale, sum);
      }
      return sum;
    }
  }
}
