package io.lrt4j.cuda;

import static io.lrt4j.cuda.CudaTensor.floats;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Draw;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Objects;
import jcuda.driver.CUfunction;
import org.jspecify.annotations.Nullable;

/**
 * The GPU backend: every operation is a kernel or two, asked for in order and done in one stream;
 * only what hands numbers to the host waits. Until then kernels are collected, so that a decode
 * step is one CUDA graph ({@link Commands}). Activations and sums are f32. Rows that are written go
 * through kernels that stream weights; those that are read through cuBLAS, where it is ({@link
 * Tiles}), and their attention through tensor cores.
 */
final class CudaBackend implements Backend {
  private static final int THREADS = 256; // of a block
  private static final int SPAN = 128; // positions, and threads of a block, as in attend.cu
  private static final int HEADS = 4; // of a block, as in attend.cu
  private static final int FEW_ROWS = 16; // too few blocks, unless each span of positions has one
  private static final int QUERIES = 64; // of a block, as in attend_tiles.cu
  private static final int LONG_SPAN = 1024; // positions, as in attend_tiles.cu
  private static final int OUTPUTS = 4 * (THREADS / 32); // of a block, as in project.cu
  private static final int LARGEST_HEAD = 256; // as in attend.cu and rope.cu
  private static final int MOST_ROWS = 65_535; // of a grid
  private static final int SUMMARY = 16; // bytes of what summarize.cu leaves of a row
  private static final int SUMMARIES = 64; // of a launch
  private static final int DRAWN = 8; // and sample.cu behind it
  private static final int SETTINGS = 56; // bytes, as in sample.cu
  private static final int DRAWING = 512; // threads of a block, as in sample.cu
  private static final int MOST_DRAWN = 1 << 19; // logits, as in sample.cu

  private final Device device;
  private final Commands launch;
  private final Sequences sequences;
  private final Slots.Slot ids;
  private final CudaMemory own; // for what an operation needs on the side
  private final CudaTensor summary; // {int, float, float, float} of each row, or one, {int, float}
  private final Slots.Slot settings; // of a draw
  private MemorySegment drawing = MemorySegment.ofArray(new long[SETTINGS]); // the same here
  private final Scratch scores; // of a draw
  private final Scratch parts; // of an attention
  private final Tiles tiles;

  CudaBackend(Device device) {
    this.device = device;
    launch = device.commands();
    boolean complete = false;
    device.begin();
    try {
      sequences = new Sequences(device);
      ids = device.slots().slot();
      own = new CudaMemory(device);
      summary = own.allocate(1, SUMMARIES * SUMMARY / 4);
      settings = device.slots().slot();
      scores = new Scratch(device);
      parts = new Scratch(device);
      tiles = new Tiles(device);
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
      project(floats(x), x.cols(), rows, rows, 0, 0, p, floats(out), false);
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
      project(floats(x), x.cols(), written, rows, floats(norm), eps, p, floats(out), false);
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
      project(floats(x), x.cols(), written, rows, 0, 0, p, floats(y), true);
    } finally {
      device.end();
    }
  }

  /**
   * Rows of x are {@code stride} floats apart, and normalised first if there is a {@code norm};
   * those of y lie side by side. Rows from {@code written} on go through cuBLAS if it is there.
   */
  private void project(
      long x,
      int stride,
      int written,
      int rows,
      long norm,
      float eps,
      Linear p,
      long y,
      boolean add) {
    checkRows(rows);
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
          .run(batch.rows(), 1, THREADS);
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
      int rows = batch.rows();
      @Nullable CUfunction tiles = tiles(first, heads);
      int few = tiles == null ? rows : batch.written();
      if (few > 0) {
        attendRows(qkv, batch, few, layer, heads, window, out);
      }
      if (tiles != null && few < rows) {
        attendTiles(tiles, qkv, batch, few, layer, heads, window, out);
      }
    } finally {
      device.end();
    }
  }

  /** What computes rows that are read, or null if all go through the other kernels. */
  private @Nullable CUfunction tiles(KvCache cache, int heads) {
    if (heads / cache.kvHeads() <= QUERIES) {
      for (int i = 0; i < Kernels.TILED_HEADS.length; i++) {
        if (cache.headDim() <= Kernels.TILED_HEADS[i]) {
          return device.kernels().attendTiles[i];
        }
      }
    }
    return null;
  }

  private void attendRows(
      Tensor qkv, Batch batch, int rows, int layer, int heads, int window, Tensor out) {
    int kvHeads = batch.cache(0).kvHeads();
    int blocks = kvHeads * Math.ceilDiv(heads / kvHeads, HEADS);
    // Spans of a row, rounded up, so that a step is like the one before for as long as can be.
    int spans = Math.min(batch.positions() - 1, window) / SPAN + 2;
    int most = Integer.highestOneBit(2 * spans - 1);
    if (rows > FEW_ROWS || batch.positions() <= SPAN) {
      attention(device.kernels().attend, qkv, batch, layer, heads, window)
          .pointer(floats(out))
          .run(blocks, rows, SPAN);
      return;
    }
    long parts = parts(batch, rows, heads, most);
    attention(device.kernels().attendSpans, qkv, batch, layer, heads, window)
        .pointer(parts)
        .number(most)
        .run(blocks, rows, most, SPAN);
    fold(batch, 0, rows, parts, most, SPAN, heads, window, out);
  }

  /** Rows from {@code from} on, by tensor cores. */
  private void attendTiles(
      CUfunction kernel,
      Tensor qkv,
      Batch batch,
      int from,
      int layer,
      int heads,
      int window,
      Tensor out) {
    int rows = batch.rows() - from;
    int all = Math.ceilDiv(batch.positions(), LONG_SPAN);
    int seen = Math.min(window, batch.positions()) - 1; // before a row
    int most = Math.min(all, seen / LONG_SPAN + 2); // of a row
    int spans = Math.min(all, (seen + QUERIES) / LONG_SPAN + 2); // of a tile
    long parts = most == 1 ? 0 : parts(batch, rows, heads, most);
    attention(kernel, qkv, batch, layer, heads, window)
        .number(from)
        .pointer(floats(out))
        .pointer(parts)
        .number(most)
        .run(batch.cache(0).kvHeads(), rows, spans, 2 * QUERIES);
    if (most > 1) {
      fold(batch, from, rows, parts, most, LONG_SPAN, heads, window, out);
    }
  }

  private long parts(Batch batch, int rows, int heads, int most) {
    return parts.floats((long) rows * heads * most * (batch.cache(0).headDim() + 2));
  }

  private void fold(
      Batch batch,
      int from,
      int rows,
      long parts,
      int most,
      int span,
      int heads,
      int window,
      Tensor out) {
    launch
        .of(device.kernels().attendFold)
        .pointer(parts)
        .number(most)
        .number(span)
        .number(heads)
        .number(batch.cache(0).headDim())
        .number(window)
        .pointer(sequences.row(from))
        .pointer(floats(out) + CudaTensor.of(out).offset(from))
        .run(heads, rows, SPAN);
  }

  /** What the kernels of {@code attend.cu} begin with. */
  private Commands attention(
      CUfunction kernel, Tensor qkv, Batch batch, int layer, int heads, int window) {
    KvCache first = batch.cache(0);
    return launch
        .of(kernel)
        .pointer(floats(qkv))
        .pointer(qkv.cols())
        .number(heads)
        .number(first.kvHeads())
        .number(first.headDim())
        .number(window)
        .pointer(sequences.rows())
        .pointer(sequences.table())
        .number(layer)
        .number(first.blockLength());
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
    checkRows(rows);
    device.begin();
    try {
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
    } finally {
      device.end();
    }
  }

  @Override
  public void summarize(Tensor logits, int from, int rows, LogitSummary[] summaries) {
    device.begin();
    try {
      for (int at = 0; at < rows; at += SUMMARIES) {
        int some = Math.min(SUMMARIES, rows - at);
        launchSummarize(CudaTensor.of(logits), from + at, some);
        MemorySegment result = device.slots().read(summary.data(), (long) some * SUMMARY);
        for (int i = 0; i < some; i++) {
          fill(summaries[at + i], result, (long) i * SUMMARY);
        }
      }
    } finally {
      device.end();
    }
  }

  private void launchSummarize(CudaTensor logits, int from, int rows) {
    launch
        .of(device.kernels().summarize)
        .pointer(floats(logits) + logits.offset(from))
        .number(logits.cols())
        .pointer(summary.row(0))
        .run(rows, 1, THREADS);
  }

  private static void fill(LogitSummary summary, MemorySegment result, long at) {
    summary.argmax = result.get(ValueLayout.JAVA_INT, at);
    summary.max = result.get(ValueLayout.JAVA_FLOAT, at + 4);
    summary.second = result.get(ValueLayout.JAVA_FLOAT, at + 8);
    float sum = result.get(ValueLayout.JAVA_FLOAT, at + 12);
    summary.logSumExp = (float) (summary.max + Math.log(sum));
  }

  @Override
  public boolean samples(int logits) {
    return logits <= MOST_DRAWN;
  }

  @Override
  public boolean sample(Tensor logits, int row, Draw draw, LogitSummary summary) {
    CudaTensor l = CudaTensor.of(logits);
    if (!samples(l.cols())) {
      return false;
    }
    device.begin();
    try {
      sendSettings(draw);
      long room = scores.floats(l.cols()); // before a launch is described: it may launch others
      launchSummarize(l, row, 1);
      launch
          .of(device.kernels().sample)
          .pointer(floats(l) + l.offset(row))
          .number(l.cols())
          .pointer(settings.address())
          .pointer(room)
          .pointer(this.summary.row(0) + SUMMARY)
          .run(1, 1, DRAWING);
      MemorySegment result = device.slots().read(this.summary.data(), SUMMARY + DRAWN);
      fill(summary, result, 0);
      draw.token = result.get(ValueLayout.JAVA_INT, SUMMARY);
      draw.logit = result.get(ValueLayout.JAVA_FLOAT, SUMMARY + 4);
      return draw.token >= 0;
    } finally {
      device.end();
    }
  }

  /** What changes with every token is not among a kernel's arguments: it is replayed. */
  private void sendSettings(Draw draw) {
    long bytes = SETTINGS + 4L * (draw.seenCount + 2L * draw.writtenCount);
    if (bytes > drawing.byteSize()) {
      drawing = MemorySegment.ofArray(new long[Math.toIntExact(bytes / 4)]); // twice as much
    }
    drawing.set(ValueLayout.JAVA_LONG, 0, draw.seed);
    drawing.set(ValueLayout.JAVA_LONG, 8, draw.position);
    drawing.set(ValueLayout.JAVA_LONG, 16, draw.stream);
    drawing.set(ValueLayout.JAVA_FLOAT, 24, draw.temperature);
    drawing.set(ValueLayout.JAVA_FLOAT, 28, draw.topP);
    drawing.set(ValueLayout.JAVA_FLOAT, 32, draw.minP);
    drawing.set(ValueLayout.JAVA_FLOAT, 36, draw.repetitionPenalty);
    drawing.set(ValueLayout.JAVA_INT, 40, draw.topK);
    drawing.set(ValueLayout.JAVA_INT, 44, draw.seenCount);
    drawing.set(ValueLayout.JAVA_INT, 48, draw.writtenCount);
    MemorySegment.copy(draw.seen, 0, drawing, ValueLayout.JAVA_INT, SETTINGS, draw.seenCount);
    long at = SETTINGS + 4L * draw.seenCount;
    MemorySegment.copy(draw.written, 0, drawing, ValueLayout.JAVA_INT, at, draw.writtenCount);
    at += 4L * draw.writtenCount;
    for (int i = 0; i < draw.writtenCount; i++) {
      float less = draw.presencePenalty + draw.times[draw.written[i]] * draw.frequencyPenalty;
      drawing.set(ValueLayout.JAVA_FLOAT, at + 4L * i, less);
    }
    settings.send(drawing, bytes);
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
