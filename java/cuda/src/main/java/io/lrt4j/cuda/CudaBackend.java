package io.lrt4j.cuda;

import static io.lrt4j.cuda.CudaTensor.floats;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import jcuda.driver.CUfunction;
import org.jspecify.annotations.Nullable;

/**
 * The GPU backend: every operation is a kernel or two, asked for in order and done in one stream;
 * only what hands numbers to the host waits. Activations and sums are f32.
 */
final class CudaBackend implements Backend {
  private static final int THREADS = 256; // of a block
  private static final int ATTEND_THREADS = 128; // as in attend.cu
  private static final int OUTPUTS = 4 * (THREADS / 32); // of a block, as in project.cu
  private static final int LARGEST_HEAD = 256; // as in attend.cu and rope.cu
  private static final int MOST_ROWS = 65_535; // of a grid

  private final Device device;
  private final Launch launch;
  private final Sequences sequences;
  private final CudaMemory own; // for what an operation needs on the side
  private final CudaTensor summary; // {int, float, float, float}
  private @Nullable CudaMemory normedMemory;
  private @Nullable CudaTensor normed; // outgrown by longer ones

  CudaBackend(Device device) {
    this.device = device;
    launch = new Launch(device);
    sequences = new Sequences(device);
    own = new CudaMemory(device);
    boolean complete = false;
    try {
      summary = own.allocate(1, 4);
      complete = true;
    } finally {
      if (!complete) {
        device.close();
      }
    }
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public String describe() {
    return device.describe() + ", kernels of lrt4j";
  }

  @Override
  public Memory newMemory() {
    return new CudaMemory(device);
  }

  private static int blocks(long elements) {
    return Math.toIntExact(Math.ceilDiv(elements, (long) THREADS));
  }

  private static void checkRows(int rows) {
    if (rows > MOST_ROWS) {
      throw new IllegalArgumentException("at most " + MOST_ROWS + " rows, found " + rows);
    }
  }

  @Override
  public void embed(Tensor table, int[] ids, int offset, int rows, Tensor x) {
    checkRows(rows);
    device.begin();
    try {
      CudaTensor t = CudaTensor.of(table);
      MemorySegment next = device.ring().next(4 * rows);
      MemorySegment.copy(ids, offset, next, ValueLayout.JAVA_INT, 0, rows);
      long sent = device.ring().send(4 * rows);
      launch
          .of(device.kernels().embed, t.dtype())
          .pointer(t.row(0))
          .pointer(sent)
          .pointer(floats(x))
          .number(t.cols())
          .run("embed", blocks(t.cols()), rows, THREADS);
    } finally {
      device.end();
    }
  }

  @Override
  public void copyRows(Tensor from, int fromRow, Tensor to, int toRow, int rows) {
    device.begin();
    try {
      CudaTensor source = CudaTensor.of(from);
      CudaTensor target = CudaTensor.of(to);
      long count = (long) rows * source.cols();
      launch
          .of(device.kernels().copy, source.dtype())
          .pointer(source.row(fromRow))
          .pointer(floats(target) + target.offset(toRow))
          .pointer(count)
          .run("copyRows", blocks(count), 1, THREADS);
    } finally {
      device.end();
    }
  }

  @Override
  public void write(float[] from, Tensor to, int row, int rows) {
    device.begin();
    try {
      CudaTensor target = CudaTensor.of(to);
      floats(target);
      Staging staging = device.staging();
      staging.to(target.data().withByteOffset(target.offset(row)));
      staging.put(MemorySegment.ofArray(from), 0, 4L * rows * target.cols());
      staging.flush();
    } finally {
      device.end();
    }
  }

  @Override
  public void read(Tensor from, int row, float[] to, int rows) {
    device.begin();
    try {
      CudaTensor source = CudaTensor.of(from);
      source.row(0); // is it there still
      DType dtype = source.dtype();
      long bytes = dtype.bytes((long) rows * source.cols());
      int size = dtype.blockBytes();
      device
          .staging()
          .read(
              source.data(),
              source.offset(row),
              bytes,
              (piece, offset, length) -> {
                int at = Math.toIntExact(offset / size);
                if (dtype == DType.F32) {
                  MemorySegment.copy(piece, ValueLayout.JAVA_FLOAT, 0, to, at, length / size);
                  return;
                }
                for (int i = 0; i < length / size; i++) {
                  to[at + i] = CudaMemory.element(dtype, piece, i);
                }
              });
    } finally {
      device.end();
    }
  }

  @Override
  public void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out) {
    checkRows(rows);
    device.begin();
    try {
      CudaTensor a = CudaTensor.of(row);
      CudaTensor b = CudaTensor.of(by);
      launch
          .of(device.kernels().multiply, b.dtype())
          .pointer(floats(a) + a.offset(fromRow))
          .pointer(b.row(0))
          .pointer(floats(out))
          .number(a.cols())
          .run("multiplyRow", blocks(a.cols()), rows, THREADS);
    } finally {
      device.end();
    }
  }

  @Override
  public void norm(Tensor x, int rows, Tensor weight, float eps, Tensor out) {
    device.begin();
    try {
      norm(floats(x), rows, x.cols(), weight, eps, floats(out));
    } finally {
      device.end();
    }
  }

  private void norm(long x, int rows, int cols, Tensor weight, float eps, long out) {
    launch
        .of(device.kernels().norm)
        .pointer(x)
        .pointer(floats(weight))
        .pointer(out)
        .number(cols)
        .number(eps)
        .run("norm", rows, 1, THREADS);
  }

  @Override
  public void project(Tensor x, int rows, Linear p, Tensor out) {
    device.begin();
    try {
      project(floats(x), x.cols(), rows, p, floats(out), false);
    } finally {
      device.end();
    }
  }

  @Override
  public void normProject(Tensor x, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    device.begin();
    try {
      project(normed(x, rows, norm, eps), x.cols(), rows, p, floats(out), false);
    } finally {
      device.end();
    }
  }

  /** rmsNorm(x), good until the next call. */
  private long normed(Tensor x, int rows, Tensor norm, float eps) {
    CudaTensor to = normed;
    if (to == null || (long) to.rows() * to.cols() < (long) rows * x.cols()) {
      if (normedMemory != null) {
        normedMemory.close();
      }
      normed = null;
      var memory = new CudaMemory(device);
      normedMemory = memory;
      to = memory.allocate(rows, x.cols());
      normed = to;
    }
    norm(floats(x), rows, x.cols(), norm, eps, floats(to));
    return floats(to);
  }

  @Override
  public void projectAdd(Tensor x, int rows, Linear p, Tensor y) {
    device.begin();
    try {
      project(floats(x), x.cols(), rows, p, floats(y), true);
    } finally {
      device.end();
    }
  }

  /** Rows of x are {@code stride} floats apart; those of y lie side by side. */
  private void project(long x, int stride, int rows, Linear p, long y, boolean add) {
    CudaLinear l = CudaLinear.of(p);
    long to = y;
    for (int i = 0; i < l.parts().size(); i++) { // an iterator would be an object per call
      CudaLinear.Part part = l.parts().get(i);
      CUfunction[] kernels = Objects.requireNonNull(device.kernels().project.get(part.dtype()));
      int instance = 0;
      while (instance + 1 < kernels.length && Kernels.PROJECT_ROWS[instance] < rows) {
        instance++;
      }
      launch
          .of(kernels[instance])
          .pointer(x)
          .pointer(stride)
          .number(rows)
          .number(l.in())
          .pointer(part.weights())
          .number(part.padded())
          .pointer(part.bias())
          .number(part.out())
          .pointer(to)
          .pointer(l.out())
          .number(add ? 1 : 0)
          .run(
              "project",
              Math.ceilDiv(part.out(), OUTPUTS),
              Math.ceilDiv(rows, Kernels.PROJECT_ROWS[instance]),
              THREADS);
      to += 4L * part.out();
    }
  }

  @Override
  public void ropeAndStore(
      Tensor qkv,
      Batch batch,
      int layer,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope) {
    device.begin();
    try {
      KvCache first = batch.cache(0);
      checkHead(first);
      int dim = first.headDim();
      sequences.describe(batch);
      launch
          .of(device.kernels().ropeAndStore)
          .pointer(floats(qkv))
          .number(qkv.cols() / dim - 2 * first.kvHeads())
          .number(first.kvHeads())
          .number(dim)
          .pointer(queryNorm == null ? 0 : floats(queryNorm))
          .pointer(keyNorm == null ? 0 : floats(keyNorm))
          .number(eps)
          .pointer(floats(rope))
          .pointer(sequences.rows())
          .pointer(sequences.table())
          .number(layer)
          .number(first.blockLength())
          .run("ropeAndStore", batch.rows(), 1, THREADS);
    } finally {
      device.end();
    }
  }

  @Override
  public void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out) {
    checkRows(batch.rows());
    device.begin();
    try {
      KvCache first = batch.cache(0);
      checkHead(first);
      sequences.describe(batch);
      launch
          .of(device.kernels().attend)
          .pointer(floats(qkv))
          .pointer(qkv.cols())
          .number(heads)
          .number(first.kvHeads())
          .number(first.headDim())
          .number(window)
          .pointer(sequences.rows())
          .pointer(sequences.table())
          .number(layer)
          .number(first.blockLength())
          .pointer(floats(out))
          .run("attend", heads, batch.rows(), ATTEND_THREADS);
    } finally {
      device.end();
    }
  }

  private static void checkHead(KvCache cache) {
    if (cache.headDim() > LARGEST_HEAD) {
      throw new IllegalArgumentException(
          "backend cuda takes heads of at most " + LARGEST_HEAD + ", found " + cache.headDim());
    }
  }

  @Override
  public void gatedMlp(
      Tensor x, int rows, Tensor norm, float eps, Linear gateUp, Linear down, Tensor scratch) {
    checkRows(rows);
    device.begin();
    try {
      long s = floats(scratch);
      project(normed(x, rows, norm, eps), x.cols(), rows, gateUp, s, false);
      launch
          .of(device.kernels().gate)
          .pointer(s)
          .number(down.in())
          .run("gate", blocks(down.in()), rows, THREADS);
      project(s, 2 * down.in(), rows, down, floats(x), true);
    } finally {
      device.end();
    }
  }

  @Override
  public void summarize(Tensor logits, int row, LogitSummary summary) {
    device.begin();
    try {
      CudaTensor l = CudaTensor.of(logits);
      launch
          .of(device.kernels().summarize)
          .pointer(floats(l) + l.offset(row))
          .number(l.cols())
          .pointer(this.summary.row(0))
          .run("summarize", 1, 1, THREADS);
      device
          .staging()
          .read(
              this.summary.data(),
              0,
              16,
              (piece, offset, length) -> {
                summary.argmax = piece.get(ValueLayout.JAVA_INT, 0);
                summary.max = piece.get(ValueLayout.JAVA_FLOAT, 4);
                summary.second = piece.get(ValueLayout.JAVA_FLOAT, 8);
                float sum = piece.get(ValueLayout.JAVA_FLOAT, 12);
                summary.logSumExp = (float) (summary.max + Math.log(sum));
              });
    } finally {
      device.end();
    }
  }

  @Override
  public void close() {
    device.close();
  }
}
