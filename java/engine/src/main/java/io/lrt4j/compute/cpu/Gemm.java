package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Gebp.STRIP;
import static io.lrt4j.compute.cpu.Gebp.WIDTH;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The three matrix products of a training step, after Goto and van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication" (2008): B is packed, a block of its rows at a time, into
 * panels that stay in the nearest cache, and {@link Gebp} multiplies by them. Every element is
 * summed in the order of the inner dimension, block by block, whoever computes it.
 */
final class Gemm {
  /** Most of the inner dimension at a time: a block. */
  private static final int DEPTH = 256;

  /** So many floats are packed at once if that makes several blocks. */
  private static final int ROOM = 1 << 21;

  /** Most rows of C that make one task. */
  private static final int TASK_ROWS = 64;

  /** Most rows and columns of C that make one task where the inner dimension is the long one. */
  private static final int PART = 192;

  private final Workers workers;
  private final float[][] strips; // of each worker: a task's rows of A, a block deep
  private final float[][] parts; // of each worker: a task's panels of B
  private final float[][] tiles; // of each worker: one tile of C
  private float[] panels = {}; // of B: of each block, one after another

  // The product under way.
  private final Workers.Job packJob = this::packPanel;
  private final Workers.Job tileJob = this::task;
  private final Workers.Job partJob = this::part;
  private CpuTensor a = VectorBackend.NONE;
  private CpuTensor b = VectorBackend.NONE;
  private boolean bTransposed;
  private CpuTensor c = VectorBackend.NONE;
  private @Nullable CpuTensor bias;
  private @Nullable CpuTensor plus;
  private int rows; // of C
  private int inner;
  private int columns; // of C
  private int panelCount;
  private int firstBlock; // of those that are packed
  private int blocks;
  private int taskRows;
  private int taskColumns;

  Gemm(Workers workers) {
    this.workers = workers;
    strips = new float[workers.size()][0];
    parts = new float[workers.size()][0];
    tiles = new float[workers.size()][STRIP * WIDTH];
  }

  /**
   * C = A B + bias + plus, which may be C; C is [rows, columns], A [rows, inner], B [inner,
   * columns], or the transpose of what is stored.
   */
  void run(
      CpuTensor a,
      CpuTensor b,
      boolean bTransposed,
      int rows,
      int inner,
      int columns,
      @Nullable CpuTensor bias,
      @Nullable CpuTensor plus,
      CpuTensor c) {
    this.a = a;
    this.b = b;
    this.bTransposed = bTransposed;
    this.bias = bias;
    this.c = c;
    this.rows = rows;
    this.columns = columns;
    this.inner = inner;
    this.plus = plus;
    panelCount = Math.ceilDiv(columns, WIDTH);
    int all = Math.ceilDiv(inner, DEPTH);
    int most = Math.max(1, ROOM / (panelCount * DEPTH * WIDTH));
    int room = panelCount * Math.min(inner, most * DEPTH) * WIDTH;
    if (panels.length < room) {
      panels = new float[room];
    }
    // Small enough for every worker to get some, whole strips at least.
    int share = Math.ceilDiv(Math.ceilDiv(rows, 2 * workers.size()), STRIP) * STRIP;
    taskRows = Math.min(TASK_ROWS, share);
    for (firstBlock = 0; firstBlock < all; firstBlock += most) {
      blocks = Math.min(most, all - firstBlock);
      workers.run(packJob, blocks * panelCount);
      workers.run(tileJob, Math.ceilDiv(rows, taskRows));
    }
  }

  private int depth(int block) {
    return Math.min(DEPTH, inner - block * DEPTH);
  }

  /** Where the panels of a block begin; all before it are {@link #DEPTH} deep. */
  private int panels(int block) {
    return (block - firstBlock) * panelCount * DEPTH * WIDTH;
  }

  private void packPanel(int task, int worker) {
    int block = firstBlock + task / panelCount;
    int panel = task % panelCount;
    int depth = depth(block);
    int first = panel * WIDTH;
    int width = Math.min(WIDTH, columns - first);
    int to = panels(block) + panel * depth * WIDTH;
    if (bTransposed) {
      float[] rows = room(strips, worker, TASK_ROWS * DEPTH);
      copy(b, first, block * DEPTH, width, depth, rows, 0, depth);
      Gebp.packTransposed(rows, 0, width, depth, panels, to);
    } else {
      copy(b, block * DEPTH, first, depth, width, panels, to, WIDTH);
    }
  }

  /**
   * Copies a part of a matrix, {@code count} rows of {@code width}, to rows {@code stride} apart.
   */
  private static void copy(
      CpuTensor from, int row, int column, int count, int width, float[] to, int at, int stride) {
    MemorySegment data = from.data();
    boolean whole = width % N == 0;
    for (int i = 0; i < count; i++) {
      long source = from.row(row + i) + column * 4L;
      int target = at + i * stride;
      if (whole) {
        for (int c = 0; c < width; c += N) {
          FloatVector.fromMemorySegment(F, data, source + c * 4L, LE).intoArray(to, target + c);
        }
      } else {
        MemorySegment.copy(data, FLOAT, source, to, target, width);
      }
    }
  }

  private static float[] room(float[][] of, int worker, int size) {
    if (of[worker].length < size) {
      of[worker] = new float[size];
    }
    return of[worker];
  }

  /** Some rows of C, all columns. */
  private void task(int task, int worker) {
    int first = task * taskRows;
    int count = Math.min(taskRows, rows - first);
    float[] strip = room(strips, worker, TASK_ROWS * DEPTH);
    for (int block = firstBlock; block < firstBlock + blocks; block++) {
      int depth = depth(block);
      copy(a, first, block * DEPTH, count, depth, strip, 0, depth);
      for (int panel = 0; panel < panelCount; panel++) {
        int at = panels(block) + panel * depth * WIDTH;
        for (int i = 0; i < count; i += STRIP) {
          float[] tile = tiles[worker];
          Gebp.tile(strip, i * depth, depth, panels, at, depth, false, tile, 0, WIDTH);
          store(tile, first + i, Math.min(STRIP, count - i), panel * WIDTH, block == 0);
        }
      }
    }
  }

  /**
   * C += A^T B; C is [rows, columns], A [inner, rows], B [inner, columns]. As the inner dimension
   * is the long one, every task packs for itself what its part of C needs, block after block.
   */
  void addTransposed(CpuTensor a, CpuTensor b, int rows, int inner, int columns, CpuTensor c) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.rows = rows;
    this.inner = inner;
    this.columns = columns;
    bias = null;
    plus = c;
    taskRows = rows;
    taskColumns = columns;
    int tasks = 1;
    while (tasks < 2 * workers.size() || Math.max(taskRows, taskColumns) > PART) {
      if (Math.max(taskRows, taskColumns) <= WIDTH) {
        break;
      }
      if (taskRows >= taskColumns) {
        taskRows = half(taskRows);
      } else {
        taskColumns = half(taskColumns);
      }
      tasks = Math.ceilDiv(rows, taskRows) * Math.ceilDiv(columns, taskColumns);
    }
    workers.run(partJob, tasks);
  }

  /** Half of it, in whole panels. */
  private static int half(int size) {
    return Math.ceilDiv(size, 2 * WIDTH) * WIDTH;
  }

  /** A part of C, for {@link #addTransposed}. */
  private void part(int task, int worker) {
    int across = Math.ceilDiv(columns, taskColumns);
    int row = task / across * taskRows;
    int column = task % across * taskColumns;
    int height = Math.min(taskRows, rows - row);
    int width = Math.min(taskColumns, columns - column);
    // With what a last strip reads and does not use.
    float[] strip = room(strips, worker, PART * DEPTH + STRIP);
    float[] panels = room(parts, worker, PART * DEPTH);
    float[] tile = tiles[worker];
    for (int from = 0; from < inner; from += DEPTH) {
      int depth = Math.min(DEPTH, inner - from);
      panels(a, from, depth, row, height, strip);
      panels(b, from, depth, column, width, panels);
      for (int j = 0; j < width; j += WIDTH) {
        for (int i = 0; i < height; i += STRIP) {
          int at = i / WIDTH * WIDTH * depth + i % WIDTH;
          Gebp.tileOfTransposed(strip, at, panels, j * depth, depth, tile, 0, WIDTH);
          store(tile, row + i, Math.min(STRIP, height - i), column + j, true);
        }
      }
    }
  }

  /** Packs some columns of a block. */
  private static void panels(
      CpuTensor x, int from, int depth, int column, int width, float[] panels) {
    for (int j = 0; j < width; j += WIDTH) {
      copy(x, from, column + j, depth, Math.min(WIDTH, width - j), panels, j * depth, WIDTH);
    }
  }

  private void store(float[] tile, int row, int count, int column, boolean begins) {
    boolean whole = column + WIDTH <= columns;
    CpuTensor plus = begins ? this.plus : c;
    CpuTensor bias = begins ? this.bias : null;
    for (int i = 0; i < count; i++) {
      long at = c.row(row + i) + column * 4L;
      if (whole) {
        storeVectors(tile, i * WIDTH, c.data(), at, bias, column * 4L, plus);
        continue;
      }
      for (int j = 0; column + j < columns; j++) {
        float value = tile[i * WIDTH + j];
        if (bias != null) {
          value += bias.data().get(FLOAT, (column + j) * 4L);
        }
        if (plus != null) {
          value += plus.data().get(FLOAT, at + j * 4L);
        }
        c.data().set(FLOAT, at + j * 4L, value);
      }
    }
  }

  private static void storeVectors(
      float[] tile,
      int from,
      MemorySegment c,
      long at,
      @Nullable CpuTensor bias,
      long biasAt,
      @Nullable CpuTensor plus) {
    FloatVector left = FloatVector.fromArray(F, tile, from);
    FloatVector right = FloatVector.fromArray(F, tile, from + N);
    if (bias != null) {
      left = left.add(FloatVector.fromMemorySegment(F, bias.data(), biasAt, LE));
      right = right.add(FloatVector.fromMemorySegment(F, bias.data(), biasAt + N * 4L, LE));
    }
    if (plus != null) {
      left = left.add(FloatVector.fromMemorySegment(F, plus.data(), at, LE));
      right = right.add(FloatVector.fromMemorySegment(F, plus.data(), at + N * 4L, LE));
    }
    left.intoMemorySegment(c, at, LE);
    right.intoMemorySegment(c, at + N * 4L, LE);
  }
}
