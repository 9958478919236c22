package io.lrt4j.cuda;

import static io.lrt4j.cuda.CudaTensor.floats;
import static io.lrt4j.cuda.Kernels.THREADS;
import static io.lrt4j.cuda.Kernels.blocks;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Draw;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The GPU backend: every operation is a kernel or two, asked for in order and done in one stream;
 * only what hands numbers to the host waits. Until then kernels are collected, so that a decode
 * step is one CUDA graph ({@link Commands}). Activations and sums are f32. What is more than a
 * launch has a class of its own: {@link Projection}, {@link Attention}, {@link Sampling}.
 */
final class CudaBackend implements Backend {
  private final Device device;
  private final Commands launch;
  private final Slots.Slot ids;
  private final Projection projection;
  private final Attention attention;
  private final Sampling sampling;

  CudaBackend(Device device) {
    this.device = device;
    launch = device.commands();
    boolean complete = false;
    device.begin();
    try {
      ids = device.slots().slot();
      projection = new Projection(device);
      attention = new Attention(device);
      sampling = new Sampling(device);
      complete = true;
    } finally {
      device.end();
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
    @Nullable Cublas cublas = device.cublas();
    return device.describe()
        + ", kernels of lrt4j for "
        + device.kernels().architecture
        + ", "
        + (cublas == null
            ? CublasLibrary.here().missingOnDevice()
            : "cuBLAS " + cublas.version() + " for text that is read");
  }

  @Override
  public Memory newMemory() {
    return new CudaMemory(device);
  }

  @Override
  public Memory newMemory(Quantization quantization) {
    return quantization == Quantization.BF16
        ? new CudaMemory(device, true)
        : Backend.super.newMemory(quantization);
  }

  @Override
  public long cacheMemory() {
    device.begin();
    try {
      return device.freeMemory() / 2;
    } finally {
      device.end();
    }
  }

  @Override
  public void embed(Tensor table, int[] ids, int offset, int rows, Tensor x) {
    Kernels.checkRows(rows);
    device.begin();
    try {
      CudaTensor t = CudaTensor.of(table);
      this.ids.send(ids, offset, rows);
      launch
          .of(device.kernels().embed, t.dtype())
          .pointer(t.row(0))
          .pointer(this.ids.address())
          .pointer(floats(x))
          .number(t.cols())
          .run(blocks(t.cols()), rows, THREADS);
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
          .run(blocks(count), 1, THREADS);
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
    Kernels.checkRows(rows);
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
          .run(blocks(a.cols()), rows, THREADS);
    } finally {
      device.end();
    }
  }

  @Override
  public void norm(Tensor x, int rows, Tensor weight, float eps, Tensor out) {
    device.begin();
    try {
      launch
          .of(device.kernels().norm)
          .pointer(floats(x))
          .pointer(floats(weight))
          .pointer(floats(out))
          .number(x.cols())
          .number(eps)
          .run(rows, 1, THREADS);
    } finally {
      device.end();
    }
  }

  @Override
  public void project(Tensor x, int rows, Linear p, Tensor out) {
    device.begin();
    try {
      projection.project(floats(x), x.cols(), rows, rows, 0, 0, p, floats(out), false);
    } finally {
      device.end();
    }
  }

  @Override
  public void normProject(Tensor x, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    normProject(x, rows, rows, norm, eps, p, out);
  }

  @Override
  public void normProject(
      Tensor x, int written, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    device.begin();
    try {
      projection.project(
          floats(x), x.cols(), written, rows, floats(norm), eps, p, floats(out), false);
    } finally {
      device.end();
    }
  }

  @Override
  public void projectAdd(Tensor x, int rows, Linear p, Tensor y) {
    projectAdd(x, rows, rows, p, y);
  }

  @Override
  public void projectAdd(Tensor x, int written, int rows, Linear p, Tensor y) {
    device.begin();
    try {
      projection.project(floats(x), x.cols(), written, rows, 0, 0, p, floats(y), true);
    } finally {
      device.end();
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
      attention.ropeAndStore(qkv, batch, layer, queryNorm, keyNorm, eps, rope);
    } finally {
      device.end();
    }
  }

  @Override
  public void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out) {
    device.begin();
    try {
      attention.attend(qkv, batch, layer, heads, window, out);
    } finally {
      device.end();
    }
  }

  @Override
  public void gatedMlp(
      Tensor x, int rows, Tensor norm, float eps, Linear gateUp, Linear down, Tensor scratch) {
    gatedMlp(x, rows, rows, norm, eps, gateUp, down, scratch);
  }

  @Override
  public void gatedMlp(
      Tensor x,
      int written,
      int rows,
      Tensor norm,
      float eps,
      Linear gateUp,
      Linear down,
      Tensor scratch) {
    device.begin();
    try {
      projection.gatedMlp(x, written, rows, norm, eps, gateUp, down, scratch);
    } finally {
      device.end();
    }
  }

  @Override
  public void summarize(Tensor logits, int from, int rows, LogitSummary[] summaries) {
    device.begin();
    try {
      sampling.summarize(CudaTensor.of(logits), from, rows, summaries);
    } finally {
      device.end();
    }
  }

  @Override
  public boolean samples(int logits) {
    return Sampling.takes(logits);
  }

  @Override
  public boolean sample(Tensor logits, int row, Draw draw, LogitSummary summary) {
    CudaTensor l = CudaTensor.of(logits);
    if (!samples(l.cols())) {
      return false;
    }
    device.begin();
    try {
      return sampling.sample(l, row, draw, summary);
    } finally {
      device.end();
    }
  }

  @Override
  public void await() {
    device.begin();
    try {
      device.synchronize("computing");
    } finally {
      device.end();
    }
  }

  @Override
  public void close() {
    device.close();
  }
}
