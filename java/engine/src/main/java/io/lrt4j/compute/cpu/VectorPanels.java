package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.N;
import static io.lrt4j.compute.cpu.PanelKernel.BLOCK;
import static io.lrt4j.compute.cpu.PanelKernel.LANES;
import static io.lrt4j.compute.cpu.PanelKernel.PAIR;
import static io.lrt4j.compute.cpu.PanelKernel.RUNS;
import static io.lrt4j.compute.cpu.PanelKernel.TILE;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The part of a projection whose weights are rounded: activations as bytes, and their products with
 * panels of weights. One row reads the panels of a task in one run, or in several far from each
 * other; of more rows four at a time meet two vectors of outputs, whose weights stay in the cache
 * while all rows pass.
 */
final class VectorPanels implements AutoCloseable {
  private static final int PARTS = Weight.PANEL / N; // vectors of a panel
  private static final int TASKS_PER_THREAD = 8; // as in VectorProjection

  /** Outputs of a tile. */
  static final int OUTPUTS = Math.max(TILE * N, Weight.PANEL);

  private static final int VECTORS = OUTPUTS / N;

  /** Activations as weights of one type want them. */
  private static final class Input {
    int[] values = {}; // patterns: [rows of whole tiles, at most in]
    float[] scales = {}; // [rows of whole tiles, blocks]
    int[] begins = {}; // and one more: kernels fetch the next block's with the last of a row

    void ensure(int blocks) {
      if (scales.length < blocks) {
        values = new int[Math.multiplyExact(blocks, BLOCK)];
        scales = new float[blocks];
        begins = new int[blocks + 1];
      }
    }
  }

  /** A worker's own. */
  private static final class Room {
    final Scratch scales = new Scratch(); // of all blocks of a tile's outputs
    final PanelKernel.Sums ofBlocks = new PanelKernel.Sums();
    final int[] bytes = new int[BLOCK];
    final long[] at = new long[VECTORS];
    final long[] fetched = new long[1]; // so that the compiler does not leave it out
    float[] sums = {};

    float[] sums(int n) {
      if (sums.length < n) {
        sums = new float[n];
      }
      return sums;
    }
  }

  private final Input q8 = new Input();
  private final Input q4 = new Input();
  private final Room[] rooms;
  private int rows;
  private int blocks;

  VectorPanels(int workers) {
    rooms = new Room[workers];
    Arrays.setAll(rooms, i -> new Room());
  }

  private Input input(DType type) {
    return type == DType.Q8 ? q8 : q4;
  }

  /** Makes room for {@code rows} rows of {@code in} activations against weights of a type. */
  void begin(DType type, int rows, int in) {
    this.rows = rows;
    blocks = in / BLOCK;
    int all = Math.multiplyExact((rows + TILE - 1) / TILE * TILE, blocks);
    input(type).ensure(all);
  }

  /** Rounds a row of activations, which is at {@code from}. */
  void round(DType type, float[] x, int from, int row, int worker) {
    Input to = input(type);
    PanelKernel kernel = PanelKernel.of(type);
    int[] bytes = rooms[worker].bytes;
    kernel.round(x, from, blocks, to.values, to.scales, to.begins, row * blocks, bytes);
  }

  /** How many outputs make a task, where a weight is not read in several runs. */
  int outputs(int out) {
    if (rows > 1) {
      return OUTPUTS;
    }
    int wanted = out / (rooms.length * TASKS_PER_THREAD);
    return Math.max(1, (wanted + OUTPUTS - 1) / OUTPUTS) * OUTPUTS;
  }

  /**
   * Panels of each of the {@link PanelKernel#RUNS} runs of memory in which one row reads a weight
   * at once; up to three panels are left behind them. 0 where it is read in one run, as there were
   * too few tasks for all workers.
   */
  int runLength(CpuTensor weight) {
    if (rows > 1 || !PanelKernel.of(weight.dtype()).hasRuns()) {
      return 0;
    }
    int length = Math.ceilDiv(weight.rows(), Weight.PANEL) / RUNS;
    return length < 2 * rooms.length ? 0 : length;
  }

  /** How many panels of each run make a task. */
  int depth(CpuTensor weight) {
    int wanted = weight.rows() / (rooms.length * TASKS_PER_THREAD);
    return Math.max(1, Math.ceilDiv(wanted, RUNS * Weight.PANEL));
  }

  /** How many tasks a weight is; what the runs leave is one. */
  int tasks(CpuTensor weight) {
    int out = weight.rows();
    int length = runLength(weight);
    if (length == 0) {
      return Math.ceilDiv(out, outputs(out));
    }
    int left = out > RUNS * length * Weight.PANEL ? 1 : 0;
    return Math.ceilDiv(length, depth(weight)) + left;
  }

  /**
   * One row: its products with some panels of each run.
   *
   * @return those of the first run, then those of the second …
   */
  float[] runs(CpuTensor weight, int first, int panels, int worker) {
    DType type = weight.dtype();
    PanelKernel kernel = PanelKernel.of(type);
    Input x = input(type);
    Room room = rooms[worker];
    int sumApart = panels * Weight.PANEL;
    float[] sums = room.sums(RUNS * sumApart);
    Arrays.fill(sums, 0, RUNS * sumApart, 0);
    long panelBytes = kernel.panelBytes(blocks);
    long apart = runLength(weight) * panelBytes;
    MemorySegment w = weight.data();
    long begin = ByAddress.of(w, first * panelBytes, (RUNS - 1) * apart + panels * panelBytes);
    for (int panel = 0; panel < panels; panel++) {
      long at = begin + panel * panelBytes;
      int to = panel * Weight.PANEL;
      kernel.streamRuns(
          x.values, x.begins, x.scales, blocks, w, at, apart, room.ofBlocks, sums, to, sumApart);
    }
    return sums;
  }

  /** The products of all rows with some outputs of a weight. */
  float[] product(CpuTensor weight, int from, int to, int worker) {
    int first = from / Weight.PANEL;
    int panels = (to - from + Weight.PANEL - 1) / Weight.PANEL;
    int stride = panels * Weight.PANEL;
    Room room = rooms[worker];
    if (rows == 1) {
      float[] sums = room.sums(stride);
      stream(weight, first, panels, room, sums);
      return sums;
    }
    int all = (rows + TILE - 1) / TILE * TILE;
    float[] sums = room.sums(all * OUTPUTS);
    tiles(weight, first, panels, room, sums);
    return sums;
  }

  /** From row to row of what {@link #product} returns. */
  int stride() {
    return OUTPUTS;
  }

  /** One row: panel after panel, as they lie. */
  private void stream(CpuTensor weight, int first, int panels, Room room, float[] sums) {
    DType type = weight.dtype();
    PanelKernel kernel = PanelKernel.of(type);
    Input x = input(type);
    long panelBytes = kernel.panelBytes(blocks);
    MemorySegment w = weight.data();
    long begin = ByAddress.of(w, first * panelBytes, panels * panelBytes);
    Arrays.fill(sums, 0, panels * Weight.PANEL, 0);
    for (int panel = 0; panel < panels; panel++) {
      long at = begin + panel * panelBytes;
      int to = panel * Weight.PANEL;
      kernel.stream(x.values, x.begins, x.scales, blocks, w, at, room.ofBlocks, sums, to);
    }
  }

  private void tiles(CpuTensor weight, int first, int panels, Room room, float[] sums) {
    DType type = weight.dtype();
    PanelKernel kernel = PanelKernel.of(type);
    Input x = input(type);
    long panelBytes = kernel.panelBytes(blocks);
    MemorySegment w = weight.data();
    long begin = ByAddress.of(w, first * panelBytes, panels * panelBytes);
    MemorySegment scales = room.scales.ensure(LANES * VECTORS * blocks);
    room.ofBlocks.ensure(blocks + 1);
    long[] at = room.at;
    room.fetched[0] ^= PanelKernel.fetch(w, begin, panels * panelBytes);
    for (int v = 0; v < VECTORS; v++) {
      int panel = first + Math.min(v / PARTS, panels - 1);
      at[v] = begin + (panel - first) * panelBytes + v % PARTS * LANES;
      long scalesOf = panel * panelBytes + kernel.scalesAt() + v % PARTS * LANES / 2;
      kernel.widenScales(w, scalesOf, blocks, scales, v * LANES);
    }
    for (int v = 0; v < VECTORS && v / PARTS < panels; v += PAIR) {
      for (int row = 0; row < rows; row += TILE) {
        kernel.tile(
            x.values,
            x.scales,
            x.begins,
            row * blocks,
            blocks,
            w,
            at[v],
            at[v + 1] - at[v],
            scales,
            v * LANES,
            sums,
            row * OUTPUTS + v * N,
            OUTPUTS,
            room.ofBlocks);
      }
    }
  }

  @Override
  public void close() {
    for (Room room : rooms) {
      room.scales.close();
    }
  }
}
