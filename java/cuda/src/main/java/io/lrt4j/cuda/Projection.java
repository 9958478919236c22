package io.lrt4j.cuda;

import static io.lrt4j.cuda.CudaTensor.floats;
import static io.lrt4j.cuda.Kernels.THREADS;
import static io.lrt4j.cuda.Kernels.blocks;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Tensor;
import java.util.Map;
import java.util.Objects;
import jcuda.driver.CUfunction;

/**
 * Projections, behind a norm or not, and the gated MLP, which is two. Rows that are written go
 * through kernels that stream weights; those that are read through cuBLAS, where it is ({@link
 * Tiles}). Its user holds the turn.
 */
final class Projection {
  private static final int OUTPUTS = 4 * (THREADS / 32); // of a block, as in project.cu

  private final Device device;
  private final Commands launch;
  private final Tiles tiles;

  Projection(Device device) {
    this.device = device;
    launch = device.commands();
    tiles = new Tiles(device);
  }

  /**
   * Rows of x are {@code stride} floats apart, and normalised first if there is a {@code norm};
   * those of y lie side by side. Rows from {@code written} on go through cuBLAS if it is there.
   */
  void project(
      long x,
      int stride,
      int written,
      int rows,
      long norm,
      float eps,
      Linear p,
      long y,
      boolean add) {
    Kernels.checkRows(rows);
    CudaLinear l = CudaLinear.of(p);
    long to = y;
    for (int i = 0; i < l.parts().size(); i++) { // an iterator would be an object per call
      CudaLinear.Part part = l.parts().get(i);
      int few = tiles.takes(part) ? written : rows;
      int instance = instance(few);
      product(device.kernels().project, instance, x, stride, few, norm, eps, l, part)
          .number(part.out())
          .pointer(to)
          .pointer(l.out())
          .number(add ? 1 : 0)
          .run(groups(few, instance), Math.ceilDiv(part.out(), OUTPUTS), THREADS);
      if (few < rows) {
        long from = x + 4L * few * stride;
        long sums = tiles.multiply(from, stride, rows - few, norm, eps, l, part);
        launch
            .of(device.kernels().fromTiles)
            .pointer(sums)
            .number(l.pieces())
            .number(part.out())
            .pointer(part.bias())
            .pointer(to + 4L * few * l.out())
            .pointer(l.out())
            .number(add ? 1 : 0)
            .run(blocks(part.out()), rows - few, THREADS);
      }
      to += 4L * part.out();
    }
  }

  void gatedMlp(
      Tensor x,
      int written,
      int rows,
      Tensor norm,
      float eps,
      Linear gateUp,
      Linear down,
      Tensor scratch) {
    Kernels.checkRows(rows);
    CudaLinear both = CudaLinear.of(gateUp);
    int width = down.in();
    long in = floats(x);
    long s = floats(scratch);
    if (both.parts().size() > 1) { // of different types
      project(in, x.cols(), written, rows, floats(norm), eps, gateUp, s, false);
      launch.of(device.kernels().gate).pointer(s).number(width).run(blocks(width), rows, THREADS);
      project(s, 2 * width, written, rows, 0, 0, down, in, true);
      return;
    }
    CudaLinear.Part part = both.parts().getFirst();
    int few = tiles.takes(part) ? written : rows;
    int instance = instance(few);
    product(device.kernels().gateUp, instance, in, x.cols(), few, floats(norm), eps, both, part)
        .number(width)
        .pointer(s)
        .run(groups(few, instance), Math.ceilDiv(width, OUTPUTS / 2), THREADS);
    if (few < rows) {
      long from = in + 4L * few * x.cols();
      long sums = tiles.multiply(from, x.cols(), rows - few, floats(norm), eps, both, part);
      launch
          .of(device.kernels().gateFromTiles)
          .pointer(sums)
          .number(both.pieces())
          .number(width)
          .pointer(part.bias())
          .pointer(s + 4L * few * width)
          .run(blocks(width), rows - few, THREADS);
    }
    project(s, width, written, rows, 0, 0, down, in, true);
  }

  /** What the kernels of {@code project.cu} begin with. */
  private Commands product(
      Map<DType, CUfunction[]> kernels,
      int instance,
      long x,
      int stride,
      int rows,
      long norm,
      float eps,
      CudaLinear l,
      CudaLinear.Part part) {
    return launch
        .of(Objects.requireNonNull(kernels.get(part.dtype()))[instance])
        .pointer(x)
        .pointer(stride)
        .number(rows)
        .number(l.in())
        .pointer(norm)
        .number(eps)
        .pointer(part.weights())
        .number(part.padded())
        .pointer(part.bias());
  }

  /** The smallest that takes all rows together, or the largest. */
  private static int instance(int rows) {
    int instance = 0;
    while (instance + 1 < Kernels.PROJECT_ROWS.length && Kernels.PROJECT_ROWS[instance] < rows) {
      instance++;
    }
    return instance;
  }

  private static int groups(int rows, int instance) {
    return Math.ceilDiv(rows, Kernels.PROJECT_ROWS[instance]);
  }
}
