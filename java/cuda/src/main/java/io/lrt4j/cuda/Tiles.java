package io.lrt4j.cuda;

import static io.lrt4j.cuda.Kernels.THREADS;

import io.lrt4j.compute.DType;
import org.jspecify.annotations.Nullable;

/**
 * Products of rows that are read, through cuBLAS. It may sum in another order for another number of
 * rows, and a row's result must not depend on how many others there are; so rows go to it in tiles
 * of 128, full or not, from and to places of the same alignment: all calls for one matrix are the
 * same to it, and give the same. What it does with one row does not depend on the others.
 *
 * <p>Activations are taken apart into two bf16 numbers each, which are multiplied in one call;
 * where it was asked for less ({@link io.lrt4j.Quantization#BF16}), rounded to one.
 */
final class Tiles {
  static final int TILE = 128; // rows, as in tiles.cu

  private final Device device;
  private final Commands launch;
  private final Scratch input;
  private final Scratch sums;

  Tiles(Device device) {
    this.device = device;
    launch = device.commands();
    input = new Scratch(device);
    sums = new Scratch(device);
  }

  /** Whether rows that are read go through it. */
  boolean takes(CudaLinear.Part part) {
    return device.cublas() != null && part.dtype() == DType.BF16;
  }

  /**
   * The sums of a part, without bias: address of [tiles, pieces, 128, out] f32, good until the next
   * call.
   *
   * @param x address of rows {@code stride} floats apart
   * @param norm address of what normalises them first, or 0
   */
  long multiply(
      long x, int stride, int rows, long norm, float eps, CudaLinear l, CudaLinear.Part part) {
    @Nullable Cublas cublas = device.cublas();
    if (cublas == null) {
      throw new IllegalStateException("no cuBLAS");
    }
    cublas.prepare();
    int tiles = Math.ceilDiv(rows, TILE);
    int tileRows = TILE * l.pieces();
    long to = input.floats((long) tiles * tileRows * part.padded() / 2);
    long from = sums.floats((long) tiles * tileRows * part.out());
    launch
        .of(device.kernels().toTiles)
        .pointer(x)
        .pointer(stride)
        .pointer(norm)
        .number(eps)
        .number(l.in())
        .pointer(to)
        .number(part.padded())
        .number(l.pieces())
        .run(rows, 1, THREADS);
    for (int i = 0; i < tiles; i++) {
      launch.product(
          part.weights(),
          part.out(),
          part.padded(),
          to + 2L * i * tileRows * part.padded(),
          tileRows,
          from + 4L * i * tileRows * part.out());
    }
    return from;
  }
}
