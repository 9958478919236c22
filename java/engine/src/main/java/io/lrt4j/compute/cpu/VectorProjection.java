package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import org.jspecify.annotations.Nullable;

/**
 * y = f(x) W^T + b for one row (the weights stream by once) and for more (4 × 4 tiles, a block of
 * weights stays in the cache while all rows pass). Two jobs: f, a norm or a gate, row by row into
 * scratch; then the product, block by block of outputs.
 */
final class VectorProjection implements AutoCloseable {
  private static final int PANEL =
      96 * 1024; // weights of a task with many rows: widened, they fit the second-level cache
  private static final int LARGEST_BLOCK = 64; // outputs of such a task
  private static final int LEAST_BLOCK = 16;
  private static final int TASKS_PER_THREAD =
      8; // so that a thread that is put aside leaves little behind
  private static final int TILE = 4;
  private static final int NARROW_BLOCK = 24; // whole vectors, and whole threes

  private static final VectorShuffle<Float> EVEN = VectorShuffle.fromOp(F, i -> 2 * i % N);
  private static final VectorShuffle<Float> ODD = VectorShuffle.fromOp(F, i -> (2 * i + 1) % N);
  private static final VectorMask<Float> UPPER = VectorMask.fromLong(F, -1L << (N / 2));

  private final Workers workers;
  private final float[][] lanes; // of a tile, per worker
  private final float[][] sums; // of four rows of a block, per worker
  private final Scratch panels = new Scratch(); // widened weights, per worker
  private final Scratch packs = new Scratch();
  private final VectorPanels rounded;
  private final Workers.Job prepareJob = this::prepareRow;
  private final Workers.Job gateJob = this::gateRow;
  private final Workers.Job productJob = this::productBlock;

  // The operation under way.
  private CpuTensor x = VectorBackend.NONE;
  private int rows;
  private int in;
  private @Nullable CpuTensor norm;
  private float eps;
  private CpuLinear projection = EMPTY;
  private CpuTensor y = VectorBackend.NONE;
  private boolean add;
  private boolean once; // whether each weight is wanted once, by all rows together
  private int block;
  private MemorySegment panel = MemorySegment.NULL; // of all workers
  private long panelBytes; // of one worker
  private float[] input = {}; // rows of whole tiles: split, if need be, then plain
  private int plain; // where the plain rows begin
  private boolean split;
  private int upper = 0xFFFF0000; // not final: see NarrowTile
  private boolean narrow; // whether split rows go through NarrowTile
  private MemorySegment packed = MemorySegment.NULL; // those rows once more
  private boolean widens; // whether there are weights that many rows want widened
  private boolean q8; // whether there are weights of that type
  private boolean q4;

  private static final CpuLinear EMPTY = CpuLinear.of(VectorBackend.NONE, null);

  VectorProjection(Workers workers) {
    this.workers = workers;
    lanes = new float[workers.size()][TILE * TILE * N];
    sums = new float[workers.size()][0];
    rounded = new VectorPanels(workers.size());
  }

  /** y = norm(x) W^T + b, or y += …; norm null takes x as it is. */
  void run(
      CpuTensor x,
      int rows,
      @Nullable CpuTensor norm,
      float eps,
      CpuLinear p,
      CpuTensor y,
      boolean add) {
    begin(x, rows, p, y, add);
    this.norm = norm;
    this.eps = eps;
    workers.run(prepareJob, rows);
    product();
  }

  /** y += (silu(g) * u) W^T + b with x = [g ; u]. */
  void runGated(CpuTensor x, int rows, CpuLinear p, CpuTensor y) {
    begin(x, rows, p, y, true);
    workers.run(gateJob, rows);
    product();
  }

  private void begin(CpuTensor x, int rows, CpuLinear p, CpuTensor y, boolean add) {
    this.x = x;
    this.rows = rows;
    this.y = y;
    this.add = add;
    projection = p;
    in = p.in();
    split = false;
    widens = false;
    q8 = false;
    q4 = false;
    for (int i = 0; i < p.parts().size(); i++) {
      switch (p.parts().get(i).weight().dtype()) {
        case F32 -> {}
        case BF16 -> split = true;
        case F16 -> {
          split = true;
          widens = rows > 1;
        }
        case Q8 -> q8 = true;
        case Q4 -> q4 = true;
      }
    }
    if (q8) {
      rounded.begin(DType.Q8, rows, in);
    }
    if (q4) {
      rounded.begin(DType.Q4, rows, in);
    }
    int whole = Math.multiplyExact((rows + TILE - 1) / TILE * TILE, in); // of whole tiles
    narrow = NarrowTile.WANTED && split && rows > 2; // two have a tile of their own
    if (narrow) {
      packed = packs.ensure(NarrowTile.bytes(rows, in));
    }
    plain = split ? whole : 0;
    int size = Math.addExact(plain, whole);
    if (input.length < size) {
      input = new float[size];
    }
  }

  /** Where a row begins, in the order that {@code kernel} wants. */
  private int inputAt(DotKernel kernel, int row) {
    return (kernel.splitInput() ? 0 : plain) + row * in;
  }

  private void product() {
    int out = projection.out();
    int unit = narrow ? NARROW_BLOCK : TILE;
    once = rows == 1 || (rows <= TILE && !widens);
    if (once) {
      int wanted = out / (workers.size() * TASKS_PER_THREAD);
      int least = narrow ? NARROW_BLOCK : LEAST_BLOCK;
      block = Math.max(least, (wanted + unit - 1) / unit * unit);
    } else {
      int fitting = (narrow && !widens ? 2 * PANEL : PANEL) / in / unit * unit;
      block = Math.min(Math.max(fitting, unit), LARGEST_BLOCK / unit * unit);
      panelBytes = (long) block * in * 4;
      panel = panels.ensure(workers.size() * panelBytes);
    }
    for (int i = 0; i < sums.length; i++) {
      if (sums[i].length < TILE * block) {
        sums[i] = new float[TILE * block];
      }
    }
    int tasks = 0;
    for (int i = 0; i < projection.parts().size(); i++) {
      tasks += blocks(projection.parts().get(i));
    }
    workers.run(productJob, tasks);
  }

  private int blocks(CpuLinear.Part part) {
    CpuTensor weight = part.weight();
    return weight.panels() ? rounded.tasks(weight) : (weight.rows() + block - 1) / block;
  }

  /**
   * Which outputs task {@code task} of a weight is about. Where each weight is wanted once, workers
   * that take turns go through a run of memory each, as one that jumps is slower for a while.
   */
  private int position(CpuTensor weight, int task, int tasks) {
    boolean jumps = weight.panels() ? rows > 1 : !once;
    int size = workers.size();
    int run = tasks / size;
    boolean left = task >= run * size;
    return jumps || left ? task : task % size * run + task / size;
  }

  private void prepareRow(int row, int worker) {
    int to = plain + row * in;
    MemorySegment.copy(x.data(), FLOAT, x.row(row), input, to, in);
    if (norm != null) {
      VectorNorm.rmsNorm(input, to, in, norm, eps);
    }
    finishRow(row, worker);
  }

  private void gateRow(int row, int worker) {
    long gate = x.row(row);
    long up = gate + in * 4L;
    int to = plain + row * in;
    MemorySegment s = x.data();
    int body = in / N * N;
    for (int c = 0; c < body; c += N) {
      long k = c * 4L;
      FloatVector g = FloatVector.fromMemorySegment(F, s, gate + k, LE);
      FloatVector u = FloatVector.fromMemorySegment(F, s, up + k, LE);
      g.div(Lanes.exp(g.neg()).add(1f)).mul(u).intoArray(input, to + c);
    }
    for (int c = body; c < in; c++) {
      long k = c * 4L;
      float g = s.get(FLOAT, gate + k);
      input[to + c] = g / (Lanes.exp(-g) + 1f) * s.get(FLOAT, up + k);
    }
    finishRow(row, worker);
  }

  /** The other forms of a plain row. */
  private void finishRow(int row, int worker) {
    int from = plain + row * in;
    if (split) {
      splitRow(row);
    }
    if (q8) {
      rounded.round(DType.Q8, input, from, row, worker);
    }
    if (q4) {
      rounded.round(DType.Q4, input, from, row, worker);
    }
  }

  /** From the plain row to the split one: of every 2 N elements, first the even ones. */
  private void splitRow(int row) {
    int from = plain + row * in;
    int to = row * in;
    int body = in / (2 * N) * (2 * N);
    for (int k = 0; k < body; k += 2 * N) {
      FloatVector a = FloatVector.fromArray(F, input, from + k);
      FloatVector b = FloatVector.fromArray(F, input, from + k + N);
      FloatVector even = a.rearrange(EVEN).blend(b.rearrange(EVEN), UPPER);
      FloatVector odd = a.rearrange(ODD).blend(b.rearrange(ODD), UPPER);
      even.intoArray(input, to + k);
      odd.intoArray(input, to + k + N);
      if (narrow) {
        even.intoMemorySegment(packed, NarrowTile.at(row, k, in), LE);
        odd.intoMemorySegment(packed, NarrowTile.at(row, k + N, in), LE);
      }
    }
  }

  private void productBlock(int task, int worker) {
    int index = 0;
    int col = 0;
    CpuLinear.Part part = projection.parts().getFirst();
    while (task >= blocks(part)) {
      task -= blocks(part);
      col += part.weight().rows();
      part = projection.parts().get(++index);
    }
    CpuTensor weight = part.weight();
    CpuTensor bias = part.bias();
    int position = position(weight, task, blocks(part));
    if (weight.panels()) {
      panels(part, position, col, worker);
      return;
    }
    int from = position * block;
    int to = Math.min(from + block, weight.rows());
    DotKernel kernel = DotKernel.of(weight.dtype());
    int tiled = rows % TILE == 1 ? rows - 1 : rows;
    if (tiled > 0) {
      tiles(kernel, tiled, weight, bias, from, to, col, worker);
    }
    if (tiled < rows) {
      stream(kernel, tiled, weight, bias, from, to, col, worker);
    }
  }

  private void panels(CpuLinear.Part part, int position, int col, int worker) {
    CpuTensor weight = part.weight();
    CpuTensor bias = part.bias();
    int out = weight.rows();
    int length = rounded.runLength(weight);
    int first = position * rounded.depth(weight);
    if (first < length) {
      int some = Math.min(rounded.depth(weight), length - first);
      int n = some * Weight.PANEL;
      float[] products = rounded.runs(weight, first, some, worker);
      for (int run = 0; run < PanelKernel.RUNS; run++) {
        int from = (run * length + first) * Weight.PANEL;
        finish(0, weight, bias, from, Math.min(from + n, out), col, in, products, run * n);
      }
      return;
    }
    int size = rounded.outputs(out);
    int from = length > 0 ? PanelKernel.RUNS * length * Weight.PANEL : position * size;
    int to = length > 0 ? out : Math.min(from + size, out);
    float[] products = rounded.product(weight, from, to, worker);
    for (int row = 0; row < rows; row++) {
      finish(row, weight, bias, from, to, col, in, products, row * rounded.stride());
    }
  }

  /**
   * Many rows: a block of weights comes from memory for the first four of them, and from the cache
   * for the others. Where the four weights of a step lie: see {@link #stream}. A last tile may be
   * short of rows; then what lies behind the input goes through it too, for nothing. f16 weights,
   * which take more steps to widen, are widened once.
   */
  private void tiles(
      DotKernel kernel,
      int rows,
      CpuTensor weight,
      @Nullable CpuTensor bias,
      int from,
      int to,
      int col,
      int worker) {
    int body = kernel.body(in);
    MemorySegment weights = weight.data();
    long first = weight.row(from);
    long stride = weight.stride();
    if (kernel instanceof F16Dot half) {
      for (int o = from; o < to; o++) {
        long at = worker * panelBytes + (o - from) * stride * 2;
        half.widen(weights, weight.row(o), body, panel, at);
      }
      weights = panel;
      first = worker * panelBytes;
      stride *= 2;
    }
    float[] tile = lanes[worker];
    float[] sum = sums[worker];
    if (narrow && kernel.splitInput() && to - from >= NarrowTile.OUTPUTS && weights.isNative()) {
      boolean wide = kernel instanceof F16Dot;
      for (int row = 0; row < rows; row += TILE) {
        narrowTile(row, to - from, weights, first, stride, wide, body, tile, sum);
        for (int i = 0; i < Math.min(TILE, rows - row); i++) {
          finish(row + i, weight, bias, from, to, col, body, sum, i * block);
        }
      }
      return;
    }
    int quarter = (to - from) / TILE;
    int four = TILE * quarter;
    for (int row = 0; row < rows; row += TILE) {
      int x = inputAt(kernel, row);
      int some = Math.min(TILE, rows - row);
      for (int o = 0; o < quarter; o++) {
        long at = first + o * stride;
        if (kernel instanceof Bf16Dot) {
          if (some <= 2) {
            Tile.dot2x4Bf16(input, x, in, weights, at, quarter * stride, body, tile);
          } else {
            Tile.dot4x4Bf16(input, x, in, weights, at, quarter * stride, body, tile);
          }
        } else {
          Tile.dot4x4(input, x, in, weights, at, quarter * stride, body, tile);
        }
        for (int i = 0; i < some; i++) {
          Lanes.sum4(tile, TILE * i * N, sum, i * block + o, quarter);
        }
      }
      for (int i = 0; i < some; i++) {
        singles(kernel, row + i, weight, from + four, to, body, sum, i * block + four);
        finish(row + i, weight, bias, from, to, col, body, sum, i * block);
      }
    }
  }

  /**
   * Four rows, with vectors of 256 bits: the three weights of a step lie a third of the block
   * apart. Outputs that are left over go through a last step with some of those before them.
   */
  private void narrowTile(
      int row,
      int outputs,
      MemorySegment weights,
      long first,
      long stride,
      boolean wide,
      int body,
      float[] tile,
      float[] sum) {
    int third = outputs / NarrowTile.OUTPUTS;
    int steps = outputs % NarrowTile.OUTPUTS == 0 ? third : third + 1;
    long x = NarrowTile.at(row, 0, in);
    for (int step = 0; step < steps; step++) {
      int o = step < third ? step : outputs - NarrowTile.OUTPUTS;
      int apart = step < third ? third : 1;
      long at = first + o * stride;
      if (wide) {
        NarrowTile.dot4x3(packed, x, weights, at, apart * stride, body, tile);
      } else {
        NarrowTile.dot4x3Bf16(packed, x, weights, at, apart * stride, body, tile, upper);
      }
      NarrowTile.sums(tile, sum, o, block, apart);
    }
  }

  /**
   * One row: the weights stream by. The four of a step come from the four quarters of the block, so
   * that memory is read in four long runs; neighbours would be four short ones, which the
   * processor's prefetching serves a third slower. Weights on the Java heap, which have no address,
   * go one by one, with the same result. Of f16 weights two are taken at a time: four, which take
   * more steps to widen, are more than the compiler sees through.
   */
  private void stream(
      DotKernel kernel,
      int row,
      CpuTensor weight,
      @Nullable CpuTensor bias,
      int from,
      int to,
      int col,
      int worker) {
    int body = kernel.body(in);
    int x = inputAt(kernel, row);
    float[] tile = lanes[worker];
    float[] sum = sums[worker];
    MemorySegment w = weight.data();
    int quarter = w.isNative() ? (to - from) / TILE : 0;
    int four = TILE * quarter;
    long begin = 0; // of the weights
    if (quarter > 0) {
      begin = ByAddress.of(w, weight.row(from), four * weight.stride());
    }
    for (int i = 0; i < quarter; i++) {
      long at = weight.row(from + i);
      long address = ByAddress.plus(begin, i * weight.stride());
      long stride = quarter * weight.stride();
      switch (kernel) {
        case F32Dot f32 -> f32.dot1x4ByAddress(input, x, w, address, stride, body, tile);
        case Bf16Dot bf16 -> bf16.dot1x4(input, x, w, address, stride, body, tile);
        case F16Dot f16 -> {
          for (int j = 0; j < TILE; j += 2) {
            f16.dot1x2(input, x, w, at + j * stride, stride, body, tile, j * N);
          }
        }
      }
      Lanes.sum4(tile, 0, sum, i, quarter);
    }
    singles(kernel, row, weight, from + four, to, body, sum, four);
    finish(row, weight, bias, from, to, col, body, sum, 0);
  }

  private void singles(
      DotKernel kernel,
      int row,
      CpuTensor weight,
      int from,
      int to,
      int body,
      float[] sum,
      int at) {
    for (int o = from; o < to; o++) {
      sum[at + o - from] =
          kernel.dot(input, inputAt(kernel, row), weight.data(), weight.row(o), body);
    }
  }

  /**
   * Adds tails of the inner products, bias and what is there, and stores outputs from … to-1 of a
   * row.
   */
  private void finish(
      int row,
      CpuTensor weight,
      @Nullable CpuTensor bias,
      int from,
      int to,
      int col,
      int body,
      float[] sum,
      int at) {
    int n = to - from;
    for (int o = 0; body < in && o < n; o++) {
      for (int k = body; k < in; k++) {
        sum[at + o] = Math.fma(input[plain + row * in + k], weight.get(from + o, k), sum[at + o]);
      }
    }
    MemorySegment target = y.data();
    long out = y.row(row) + (col + from) * 4L;
    int o = 0;
    for (; o + N <= n; o += N) {
      FloatVector v = FloatVector.fromArray(F, sum, at + o);
      if (bias != null) {
        v = v.add(FloatVector.fromMemorySegment(F, bias.data(), (from + o) * 4L, LE));
      }
      if (add) {
        v = FloatVector.fromMemorySegment(F, target, out + o * 4L, LE).add(v);
      }
      v.intoMemorySegment(target, out + o * 4L, LE);
    }
    for (; o < n; o++) {
      float v = sum[at + o];
      if (bias != null) {
        v += bias.data().get(FLOAT, (from + o) * 4L);
      }
      target.set(FLOAT, out + o * 4L, add ? target.get(FLOAT, out + o * 4L) + v : v);
    }
  }

  @Override
  public void close() {
    panels.close();
    packs.close();
    rounded.close();
  }
}
