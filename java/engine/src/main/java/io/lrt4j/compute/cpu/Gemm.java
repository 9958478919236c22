package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * The three matrix products of a training step, C = A B with either matrix transposed, after Goto
 * and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): B is packed, a
 * block of its rows at a time, into panels of {@link #WIDTH} columns that stay in the nearest
 * cache; a strip of {@link #STRIP} rows of A runs along a panel with all sums of a tile in
 * registers. Every element is summed in the order of the inner dimension, block by block, whoever
 * computes it.
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

  private final Workers workers;
  private final float[][] strips; // of each worker: a task's rows of A, a block deep
  private final float[][] tiles; // of each worker: one tile of C
  private float[] panels = {}; // of B: of each block, one after another

  // The product under way.
  private final Workers.Job packJob = this::packPanel;
  private final Workers.Job tileJob = this::task;
  private CpuTensor a = VectorBackend.NONE;
  private boolean aTransposed;
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

  Gemm(Workers workers) {
    this.workers = workers;
    strips = new float[workers.size()][0];
    tiles = new float[workers.size()][STRIP * WIDTH];
  }

  /**
   * C = A B + bias + plus, which may be C; C is [rows, columns], A [rows, inner], B [inner,
   * columns], each the transpose of what is stored where it is said so.
   */
  void run(
      CpuTensor a,
      boolean aTransposed,
      CpuTensor b,
      boolean bTransposed,
      int rows,
      int inner,
      int columns,
      @Nullable CpuTensor bias,
      @Nullable CpuTensor plus,
      CpuTensor c) {
    this.a = a;
    this.aTransposed = aTransposed;
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
      packTransposed(b, first, width, block * DEPTH, depth, panels, to);
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

  /** A panel of the transpose of {@code b}: rows of {@code b} become columns. */
  private static void packTransposed(
      CpuTensor b, int first, int width, int from, int depth, float[] panels, int to) {
    for (int j = 0; j < width; j++) {
      long at = b.row(first + j) + from * 4L;
      for (int k = 0; k < depth; k++) {
        panels[to + k * WIDTH + j] = b.data().get(FLOAT, at + k * 4L);
      }
    }
  }

  /** Some rows of C, all columns. */
  private void task(int task, int worker) {
    int first = task * taskRows;
    int count = Math.min(taskRows, rows - first);
    if (strips[worker].length == 0) {
      strips[worker] = new float[TASK_ROWS * DEPTH + STRIP];
    }
    for (int block = firstBlock; block < firstBlock + blocks; block++) {
      block(block, first, count, strips[worker], tiles[worker]);
    }
  }

  /** What one block of the inner dimension adds to some rows of C. */
  private void block(int block, int first, int count, float[] strip, float[] tile) {
    int depth = depth(block);
    if (aTransposed) {
      for (int i = 0; i < count; i += WIDTH) {
        int width = Math.min(WIDTH, count - i);
        copy(a, block * DEPTH, first + i, depth, width, strip, i * depth, WIDTH);
      }
    } else {
      copy(a, first, block * DEPTH, count, depth, strip, 0, depth);
    }
    for (int panel = 0; panel < panelCount; panel++) {
      int at = panels(block) + panel * depth * WIDTH;
      for (int i = 0; i < count; i += STRIP) {
        if (aTransposed) {
          int from = i / WIDTH * WIDTH * depth + i % WIDTH;
          tileOfTransposed(strip, from, panels, at, depth, tile, 0, WIDTH);
        } else {
          tile(strip, i * depth, depth, panels, at, depth, false, tile, 0, WIDTH);
        }
        store(tile, first + i, Math.min(STRIP, count - i), panel * WIDTH, block == 0);
      }
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

  /** Packs columns {@code from} to {@code to} of the transpose of b, [columns, inner] as stored. */
  static void packTransposed(float[] b, int from, int to, int inner, float[] panels) {
    for (int j = from; j < to; j++) {
      int at = j / WIDTH * WIDTH * inner + j % WIDTH;
      for (int k = 0; k < inner; k++) {
        panels[at + k * WIDTH] = b[j * inner + k];
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
