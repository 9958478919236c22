package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The three matrix products of a training step, after Goto and van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication" (2008): B is packed, a block of its rows at a time, into
 * panels of {@link #WIDTH} columns that stay in the nearest cache; a strip of {@link #STRIP} rows
 * of A runs along a panel with all sums of a tile in registers. Every element is summed in the
 * order of the inner dimension, block by block, whoever computes it.
 */
final class Gemm {
  /** Rows of a tile. */
  static final int STRIP = 8;

  /** Columns of a tile, and of a panel: two vectors. */
  static final int WIDTH = 2 * N;

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
      packTransposed(rows, 0, width, depth, panels, to);
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
          tile(strip, i * depth, depth, panels, at, depth, false, tile, 0, WIDTH);
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
          tileOfTransposed(strip, at, panels, j * depth, depth, tile, 0, WIDTH);
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

  // --- on arrays, for one thread ----------------------------------------------------------------

  /** How many floats the panels of a [inner, columns] matrix take. */
  static int panelSize(int inner, int columns) {
    return Math.ceilDiv(columns, WIDTH) * WIDTH * inner;
  }

  /** Packs rows {@code from} to {@code to} of b, [inner, columns], into panels. */
  static void pack(float[] b, int from, int to, int inner, int columns, float[] panels) {
    for (int first = 0; first < columns; first += WIDTH) {
      int width = Math.min(WIDTH, columns - first);
      for (int k = from; k < to; k++) {
        System.arraycopy(b, k * columns + first, panels, first * inner + k * WIDTH, width);
      }
    }
  }

  /** Packs the transpose of b, [columns, inner] from {@code at} on, into a panel that it fits. */
  static void packTransposed(float[] b, int at, int columns, int inner, float[] panels, int panel) {
    for (int j = 0; j < columns; j++) {
      int from = at + j * inner;
      int to = panel + j;
      for (int k = 0; k < inner; k++) {
        panels[to + k * WIDTH] = b[from + k];
      }
    }
  }

  /**
   * c = a b, or c += that, from packed panels of b.
   *
   * @param a [rows, inner] from {@code at} on, rows {@code aStride} apart, with room for whole
   *     strips
   * @param packed inner dimension of what was packed, of which the first {@code inner} are used
   * @param tile of {@link #STRIP} * {@link #WIDTH}, for its own use
   */
  static void multiply(
      float[] a,
      int at,
      int aStride,
      int rows,
      float[] panels,
      int packed,
      int inner,
      int columns,
      boolean add,
      float[] c,
      int to,
      int cStride,
      float[] tile) {
    for (int first = 0; first < columns; first += WIDTH) {
      int width = Math.min(WIDTH, columns - first);
      int panel = first * packed;
      for (int i = 0; i < rows; i += STRIP) {
        int from = at + i * aStride;
        int target = to + i * cStride + first;
        if (width == WIDTH && rows - i >= STRIP) {
          tile(a, from, aStride, panels, panel, inner, add, c, target, cStride);
        } else {
          tile(a, from, aStride, panels, panel, inner, false, tile, 0, WIDTH);
          keep(tile, Math.min(STRIP, rows - i), width, add, c, target, cStride);
        }
      }
    }
  }

  /**
   * c = a^T b.
   *
   * @param a [inner, rows] from {@code at} on, rows {@link #WIDTH} apart, with room for whole
   *     strips
   * @param packed inner dimension of what was packed, of which the first {@code inner} are used
   * @param tile of {@link #STRIP} * {@link #WIDTH}, for its own use
   */
  static void multiplyTransposed(
      float[] a,
      int at,
      int rows,
      float[] panels,
      int packed,
      int inner,
      int columns,
      float[] c,
      int to,
      float[] tile) {
    for (int i = 0; i < rows; i += STRIP) {
      for (int first = 0; first < columns; first += WIDTH) {
        int width = Math.min(WIDTH, columns - first);
        int panel = first * packed;
        int target = to + i * columns + first;
        if (width == WIDTH && rows - i >= STRIP) {
          tileOfTransposed(a, at + i, panels, panel, inner, c, target, columns);
        } else {
          tileOfTransposed(a, at + i, panels, panel, inner, tile, 0, WIDTH);
          keep(tile, Math.min(STRIP, rows - i), width, false, c, target, columns);
        }
      }
    }
  }

  private static void keep(
      float[] tile, int rows, int width, boolean add, float[] c, int at, int stride) {
    for (int i = 0; i < rows; i++) {
      int from = i * WIDTH;
      int to = at + i * stride;
      if (width == WIDTH) {
        FloatVector left = FloatVector.fromArray(F, tile, from);
        FloatVector right = FloatVector.fromArray(F, tile, from + N);
        if (add) {
          left = left.add(FloatVector.fromArray(F, c, to));
          right = right.add(FloatVector.fromArray(F, c, to + N));
        }
        left.intoArray(c, to);
        right.intoArray(c, to + N);
      } else {
        for (int j = 0; j < width; j++) {
          c[to + j] = add ? c[to + j] + tile[from + j] : tile[from + j];
        }
      }
    }
  }

  /**
   * A tile of c, rows {@code cStride} apart, = eight rows of a, [8, depth] with rows {@code stride}
   * apart, times one panel; or += that.
   */
  private static void tile(
      float[] a,
      int at,
      int stride,
      float[] panels,
      int panel,
      int depth,
      boolean add,
      float[] c,
      int to,
      int cStride) {
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = s00;
    FloatVector s10 = s00;
    FloatVector s11 = s00;
    FloatVector s20 = s00;
    FloatVector s21 = s00;
    FloatVector s30 = s00;
    FloatVector s31 = s00;
    FloatVector s40 = s00;
    FloatVector s41 = s00;
    FloatVector s50 = s00;
    FloatVector s51 = s00;
    FloatVector s60 = s00;
    FloatVector s61 = s00;
    FloatVector s70 = s00;
    FloatVector s71 = s00;
    int a1 = at + stride;
    int a2 = a1 + stride;
    int a3 = a2 + stride;
    int a4 = a3 + stride;
    int a5 = a4 + stride;
    int a6 = a5 + stride;
    int a7 = a6 + stride;
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(F, panels, panel + k * WIDTH);
      FloatVector b1 = FloatVector.fromArray(F, panels, panel + k * WIDTH + N);
      FloatVector x = FloatVector.broadcast(F, a[at + k]);
      s00 = x.fma(b0, s00);
      s01 = x.fma(b1, s01);
      x = FloatVector.broadcast(F, a[a1 + k]);
      s10 = x.fma(b0, s10);
      s11 = x.fma(b1, s11);
      x = FloatVector.broadcast(F, a[a2 + k]);
      s20 = x.fma(b0, s20);
      s21 = x.fma(b1, s21);
      x = FloatVector.broadcast(F, a[a3 + k]);
      s30 = x.fma(b0, s30);
      s31 = x.fma(b1, s31);
      x = FloatVector.broadcast(F, a[a4 + k]);
      s40 = x.fma(b0, s40);
      s41 = x.fma(b1, s41);
      x = FloatVector.broadcast(F, a[a5 + k]);
      s50 = x.fma(b0, s50);
      s51 = x.fma(b1, s51);
      x = FloatVector.broadcast(F, a[a6 + k]);
      s60 = x.fma(b0, s60);
      s61 = x.fma(b1, s61);
      x = FloatVector.broadcast(F, a[a7 + k]);
      s70 = x.fma(b0, s70);
      s71 = x.fma(b1, s71);
    }
    int c1 = to + cStride;
    int c2 = c1 + cStride;
    int c3 = c2 + cStride;
    int c4 = c3 + cStride;
    int c5 = c4 + cStride;
    int c6 = c5 + cStride;
    int c7 = c6 + cStride;
    if (add) {
      s00 = s00.add(FloatVector.fromArray(F, c, to));
      s01 = s01.add(FloatVector.fromArray(F, c, to + N));
      s10 = s10.add(FloatVector.fromArray(F, c, c1));
      s11 = s11.add(FloatVector.fromArray(F, c, c1 + N));
      s20 = s20.add(FloatVector.fromArray(F, c, c2));
      s21 = s21.add(FloatVector.fromArray(F, c, c2 + N));
      s30 = s30.add(FloatVector.fromArray(F, c, c3));
      s31 = s31.add(FloatVector.fromArray(F, c, c3 + N));
      s40 = s40.add(FloatVector.fromArray(F, c, c4));
      s41 = s41.add(FloatVector.fromArray(F, c, c4 + N));
      s50 = s50.add(FloatVector.fromArray(F, c, c5));
      s51 = s51.add(FloatVector.fromArray(F, c, c5 + N));
      s60 = s60.add(FloatVector.fromArray(F, c, c6));
      s61 = s61.add(FloatVector.fromArray(F, c, c6 + N));
      s70 = s70.add(FloatVector.fromArray(F, c, c7));
      s71 = s71.add(FloatVector.fromArray(F, c, c7 + N));
    }
    s00.intoArray(c, to);
    s01.intoArray(c, to + N);
    s10.intoArray(c, c1);
    s11.intoArray(c, c1 + N);
    s20.intoArray(c, c2);
    s21.intoArray(c, c2 + N);
    s30.intoArray(c, c3);
    s31.intoArray(c, c3 + N);
    s40.intoArray(c, c4);
    s41.intoArray(c, c4 + N);
    s50.intoArray(c, c5);
    s51.intoArray(c, c5 + N);
    s60.intoArray(c, c6);
    s61.intoArray(c, c6 + N);
    s70.intoArray(c, c7);
    s71.intoArray(c, c7 + N);
  }

  /**
   * A tile of c, rows {@code cStride} apart, = eight columns of a, [depth, 8] with rows {@link
   * #WIDTH} apart (a constant: the compiler then checks the bounds once), times one panel.
   */
  private static void tileOfTransposed(
      float[] strip, int at, float[] panels, int panel, int depth, float[] c, int to, int cStride) {
    FloatVector s00 = FloatVector.zero(F);
    FloatVector s01 = s00;
    FloatVector s10 = s00;
    FloatVector s11 = s00;
    FloatVector s20 = s00;
    FloatVector s21 = s00;
    FloatVector s30 = s00;
    FloatVector s31 = s00;
    FloatVector s40 = s00;
    FloatVector s41 = s00;
    FloatVector s50 = s00;
    FloatVector s51 = s00;
    FloatVector s60 = s00;
    FloatVector s61 = s00;
    FloatVector s70 = s00;
    FloatVector s71 = s00;
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = FloatVector.fromArray(F, panels, panel + k * WIDTH);
      FloatVector b1 = FloatVector.fromArray(F, panels, panel + k * WIDTH + N);
      int i = at + k * WIDTH;
      FloatVector x = FloatVector.broadcast(F, strip[i]);
      s00 = x.fma(b0, s00);
      s01 = x.fma(b1, s01);
      x = FloatVector.broadcast(F, strip[i + 1]);
      s10 = x.fma(b0, s10);
      s11 = x.fma(b1, s11);
      x = FloatVector.broadcast(F, strip[i + 2]);
      s20 = x.fma(b0, s20);
      s21 = x.fma(b1, s21);
      x = FloatVector.broadcast(F, strip[i + 3]);
      s30 = x.fma(b0, s30);
      s31 = x.fma(b1, s31);
      x = FloatVector.broadcast(F, strip[i + 4]);
      s40 = x.fma(b0, s40);
      s41 = x.fma(b1, s41);
      x = FloatVector.broadcast(F, strip[i + 5]);
      s50 = x.fma(b0, s50);
      s51 = x.fma(b1, s51);
      x = FloatVector.broadcast(F, strip[i + 6]);
      s60 = x.fma(b0, s60);
      s61 = x.fma(b1, s61);
      x = FloatVector.broadcast(F, strip[i + 7]);
      s70 = x.fma(b0, s70);
      s71 = x.fma(b1, s71);
    }
    int c1 = to + cStride;
    int c2 = c1 + cStride;
    int c3 = c2 + cStride;
    int c4 = c3 + cStride;
    int c5 = c4 + cStride;
    int c6 = c5 + cStride;
    int c7 = c6 + cStride;
    s00.intoArray(c, to);
    s01.intoArray(c, to + N);
    s10.intoArray(c, c1);
    s11.intoArray(c, c1 + N);
    s20.intoArray(c, c2);
    s21.intoArray(c, c2 + N);
    s30.intoArray(c, c3);
    s31.intoArray(c, c3 + N);
    s40.intoArray(c, c4);
    s41.intoArray(c, c4 + N);
    s50.intoArray(c, c5);
    s51.intoArray(c, c5 + N);
    s60.intoArray(c, c6);
    s61.intoArray(c, c6 + N);
    s70.intoArray(c, c7);
    s71.intoArray(c, c7 + N);
  }
}
