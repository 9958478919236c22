package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.N;
import static io.lrt4j.compute.cpu.PanelKernel.BLOCK;

import io.lrt4j.compute.DType;
import io.lrt4j.compute.Weight;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The part of a projection whose weights are rounded: activations as bytes, and their products with
 * panels of weights, four vectors of outputs at a time. One row streams the weights by; for more of
 * them, weights of a few blocks are widened once and stay in the first-level cache while all rows
 * pass.
 */
final class VectorPanels implements AutoCloseable {
  private static final int TILE = 4; // rows, and vectors of outputs
  private static final int PARTS = Weight.PANEL / N; // vectors of a panel
  private static final int PANELS = TILE / PARTS; // whose outputs are four vectors
  private static final long LANES = 4L * N; // bytes of a vector
  private static final int CHUNK = 4; // blocks that are widened at a time
  private static final int TASKS_PER_THREAD = 8; // as in VectorProjection

  /** Outputs of a tile. */
  static final int OUTPUTS = TILE * N;

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
    final Scratch weights = new Scratch(); // of a chunk of a tile's outputs, as f32
    final Scratch scales = new Scratch(); // of all blocks of a tile's outputs
    final float[] one = new float[OUTPUTS];
    final int[] bytes = new int[BLOCK];
    final long[] at = new long[TILE];
    float[] sums = {};

    @SuppressWarnings("UnusedVariable") // written alone keeps touching from being left out
    int seen;

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
    kernel.round(x, from, blocks, to.values, to.scales, to.begins, row * blocks, bytes, rows == 1);
  }

  /** How many outputs make a task. */
  int outputs(int out) {
    if (rows > 1) {
      return OUTPUTS;
    }
    int wanted = out / (rooms.length * TASKS_PER_THREAD);
    return Math.max(1, (wanted + OUTPUTS - 1) / OUTPUTS) * OUTPUTS;
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
    Arrays.fill(sums, 0, all * OUTPUTS, 0);
    tiles(weight, first, panels, room, sums);
    return sums;
  }

  /** From row to row of what {@link #product} returns. */
  int stride() {
    return OUTPUTS;
  }

  /**
   * One row. The panels of a step are as far apart as they can be, as in {@link VectorProjection}.
   * The last steps may do panels again that others did: that is quicker than a kernel for what is
   * left over.
   */
  private void stream(CpuTensor weight, int first, int panels, Room room, float[] sums) {
    DType type = weight.dtype();
    PanelKernel kernel = PanelKernel.of(type);
    Input x = input(type);
    long panelBytes = kernel.panelBytes(blocks);
    long scalesAt = blocks * kernel.blockBytes();
    MemorySegment w = weight.data();
    MemorySegment scales = room.scales.ensure(LANES * TILE * blocks);
    long[] at = room.at;
    int run = (panels + PANELS - 1) / PANELS;
    for (int step = 0; step < run; step++) {
      for (int v = 0; v < TILE; v++) {
        int panel = Math.min(v / PARTS * run + step, panels - 1);
        at[v] = (first + panel) * panelBytes;
        int part = v % PARTS;
        PanelKernel.widenScales(w, at[v] + scalesAt + part * LANES / 2, blocks, scales, v * LANES);
        at[v] += part * LANES;
      }
      kernel.stream(
          x.values,
          x.scales,
          x.begins,
          blocks,
          w,
          at[0],
          at[1] - at[0],
          at[2] - at[0],
          at[3] - at[0],
          scales,
          room.one);
      for (int v = 0; v < TILE; v++) {
        int panel = Math.min(v / PARTS * run + step, panels - 1);
        System.arraycopy(room.one, v * N, sums, panel * Weight.PANEL + v % PARTS * N, N);
      }
    }
  }

  private void tiles(CpuTensor weight, int first, int panels, Room room, float[] sums) {
    DType type = weight.dtype();
    PanelKernel kernel = PanelKernel.of(type);
    Input x = input(type);
    long panelBytes = kernel.panelBytes(blocks);
    long blockBytes = kernel.blockBytes();
    long scalesAt = blocks * blockBytes;
    MemorySegment w = weight.data();
    MemorySegment scales = room.scales.ensure(LANES * TILE * blocks);
    MemorySegment widened = room.weights.ensure(LANES * TILE * BLOCK * CHUNK);
    // In one long run; the chunks below are short ones, for which memory is slow.
    room.seen = PanelKernel.touch(w, first * panelBytes, panels * panelBytes);
    for (int v = 0; v < TILE; v++) {
      int panel = first + Math.min(v / PARTS, panels - 1);
      long at = panel * panelBytes + scalesAt + v % PARTS * LANES / 2;
      PanelKernel.widenScales(w, at, blocks, scales, v * LANES);
    }
    for (int block = 0; block < blocks; block += CHUNK) {
      int some = Math.min(CHUNK, blocks - block);
      for (int v = 0; v < TILE; v++) {
        int panel = first + Math.min(v / PARTS, panels - 1);
        long at = panel * panelBytes + block * blockBytes + v % PARTS * LANES;
        kernel.widen(w, at, some, widened, v * LANES);
      }
      for (int row = 0; row < rows; row += TILE) {
        PanelKernel.tile(
            x.values,
            x.scales,
            x.begins,
            row * blocks + block,
            blocks,
            some,
            widened,
            scales,
            LANES * TILE * block,
            sums,
            row * OUTPUTS);
      }
    }
  }

  @Override
  public void close() {
    for (Room room : rooms) {
      room.weights.close();
      room.scales.close();
    }
  }
}
