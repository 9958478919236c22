package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
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

  /** Most of the inner dimension at a time. */
  private static final int DEPTH = 256;

  /** Rows of C that make one task. */
  private static final int TASK_ROWS = 64;

  private final Workers workers;
  private final float[][] strips; // of each worker: a task's rows of A, a block deep
  private final float[][] tiles; // of each worker: one tile of C
  private float[] panels = {}; // of B, a block deep

  // The product under way.
  private final Workers.Job packJob = this::packPanel;
  private final Workers.Job tileJob = this::task;
  private CpuTensor a = VectorBackend.NONE;
  private boolean aTransposed;
  private CpuTensor b = VectorBackend.NONE;
  private boolean bTransposed;
  private CpuTensor c = VectorBackend.NONE;
  private @Nullable CpuTensor bias;
  private boolean add;
  private int rows; // of C
  private int columns; // of C
  private int from; // of the inner dimension: the block's first
  private int depth; // of the block

  Gemm(Workers workers) {
    this.workers = workers;
    strips = new float[workers.size()][0];
    tiles = new float[workers.size()][STRIP * WIDTH];
  }

  /**
   * C = A B + bias, or C += that; C is [rows, columns], A [rows, inner], B [inner, columns], each
   * the transpose of what is stored where it is said so.
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
      boolean add,
      CpuTensor c) {
    this.a = a;
    this.aTransposed = aTransposed;
    this.b = b;
    this.bTransposed = bTransposed;
    this.bias = bias;
    this.c = c;
    this.rows = rows;
    this.columns = columns;
    int panelCount = Math.ceilDiv(columns, WIDTH);
    int room = panelCount * Math.min(DEPTH, inner) * WIDTH;
    if (panels.length < room) {
      panels = new float[room];
    }
    for (from = 0; from < inner; from += DEPTH) {
      depth = Math.min(DEPTH, inner - from);
      this.add = add || from > 0;
      workers.run(packJob, panelCount);
      workers.run(tileJob, Math.ceilDiv(rows, TASK_ROWS));
    }
  }

  private void packPanel(int panel, int worker) {
    int first = panel * WIDTH;
    int width = Math.min(WIDTH, columns - first);
    int to = panel * depth * WIDTH;
    if (bTransposed) {
      packTransposed(b, first, width, from, depth, panels, to);
    } else {
      for (int k = 0; k < depth; k++) {
        long at = b.row(from + k) + first * 4L;
        MemorySegment.copy(b.data(), FLOAT, at, panels, to + k * WIDTH, width);
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
    int first = task * TASK_ROWS;
    int count = Math.min(TASK_ROWS, rows - first);
    float[] strip = strips[worker];
    if (strip.length < TASK_ROWS * depth) {
      strip = new float[TASK_ROWS * DEPTH];
      strips[worker] = strip;
    }
    if (aTransposed) {
      for (int k = 0; k < depth; k++) { // [depth, TASK_ROWS]
        long at = a.row(from + k) + first * 4L;
        MemorySegment.copy(a.data(), FLOAT, at, strip, k * TASK_ROWS, count);
      }
    } else {
      for (int i = 0; i < count; i++) {
        long at = a.row(first + i) + from * 4L;
        MemorySegment.copy(a.data(), FLOAT, at, strip, i * depth, depth);
      }
    }
    float[] tile = tiles[worker];
    for (int panel = 0; panel * WIDTH < columns; panel++) {
      int at = panel * depth * WIDTH;
      for (int i = 0; i < count; i += STRIP) {
        if (aTransposed) {
          tileOfTransposed(strip, i, TASK_ROWS, panels, at, depth, tile);
        } else {
          tile(strip, i * depth, depth, panels, at, depth, tile);
        }
        store(tile, first + i, Math.min(STRIP, count - i), panel * WIDTH);
      }
    }
  }

  private void store(float[] tile, int row, int count, int column) {
    boolean whole = column + WIDTH <= columns;
    CpuTensor bias = from == 0 ? this.bias : null;
    for (int i = 0; i < count; i++) {
      long at = c.row(row + i) + column * 4L;
      if (whole) {
        storeVectors(tile, i * WIDTH, c.data(), at, bias, column * 4L, add);
        continue;
      }
      for (int j = 0; column + j < columns; j++) {
        float value = tile[i * WIDTH + j];
        if (bias != null) {
          value += bias.data().get(FLOAT, (column + j) * 4L);
        }
        c.data().set(FLOAT, at + j * 4L, add ? value + c.data().get(FLOAT, at + j * 4L) : value);
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
      boolean add) {
    FloatVector left = FloatVector.fromArray(F, tile, from);
    FloatVector right = FloatVector.fromArray(F, tile, from + N);
    if (bias != null) {
      left = left.add(FloatVector.fromMemorySegment(F, bias.data(), biasAt, LE));
      right = right.add(FloatVector.fromMemorySegment(F, bias.data(), biasAt + N * 4L, LE));
    }
    if (add) {
      left = left.add(FloatVector.fromMemorySegment(F, c, at, LE));
      right = right.add(FloatVector.fromMemorySegment(F, c, at + N * 4L, LE));
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
   * @param a [rows, inner], rows {@code aStride} apart, with room for whole strips
   * @param packed inner dimension of what was packed, of which the first {@code inner} are used
   * @param tile of {@link #STRIP} * {@link #WIDTH}, for its own use
   */
  static void multiply(
      float[] a,
      int aStride,
      int rows,
      float[] panels,
      int packed,
      int inner,
      int columns,
      boolean add,
      float[] c,
      int cStride,
      float[] tile) {
    for (int first = 0; first < columns; first += WIDTH) {
      int width = Math.min(WIDTH, columns - first);
      for (int i = 0; i < rows; i += STRIP) {
        tile(a, i * aStride, aStride, panels, first * packed, inner, tile);
        int to = i * cStride + first;
        keep(tile, Math.min(STRIP, rows - i), width, add, c, to, cStride);
      }
    }
  }

  /**
   * c += a^T b.
   *
   * @param a [inner, at least rows], rows {@code aStride} apart
   * @param from the first of its columns to use, which is also the first row of c
   * @param packed inner dimension of what was packed
   * @param strip of {@link #STRIP} * inner, for its own use
   */
  static void multiplyTransposed(
      float[] a,
      int aStride,
      int from,
      int rows,
      float[] panels,
      int packed,
      int inner,
      int columns,
      float[] c,
      float[] tile,
      float[] strip) {
    for (int i = from; i < rows; i += STRIP) {
      int count = Math.min(STRIP, rows - i);
      for (int k = 0; k < inner; k++) {
        int at = k * aStride + i;
        for (int j = 0; j < count; j++) {
          strip[k * STRIP + j] = a[at + j];
        }
      }
      for (int first = 0; first < columns; first += WIDTH) {
        int width = Math.min(WIDTH, columns - first);
        tileOfTransposed(strip, 0, STRIP, panels, first * packed, inner, tile);
        keep(tile, count, width, true, c, i * columns + first, columns);
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

  /** tile = eight rows of a, [8, depth] with rows {@code stride} apart, times one panel. */
  private static void tile(
      float[] a, int at, int stride, float[] panels, int panel, int depth, float[] tile) {
    if (depth == 0) {
      Arrays.fill(tile, 0);
      return;
    }
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
    s00.intoArray(tile, 0);
    s01.intoArray(tile, N);
    s10.intoArray(tile, WIDTH);
    s11.intoArray(tile, WIDTH + N);
    s20.intoArray(tile, 2 * WIDTH);
    s21.intoArray(tile, 2 * WIDTH + N);
    s30.intoArray(tile, 3 * WIDTH);
    s31.intoArray(tile, 3 * WIDTH + N);
    s40.intoArray(tile, 4 * WIDTH);
    s41.intoArray(tile, 4 * WIDTH + N);
    s50.intoArray(tile, 5 * WIDTH);
    s51.intoArray(tile, 5 * WIDTH + N);
    s60.intoArray(tile, 6 * WIDTH);
    s61.intoArray(tile, 6 * WIDTH + N);
    s70.intoArray(tile, 7 * WIDTH);
    s71.intoArray(tile, 7 * WIDTH + N);
  }

  /** tile = eight columns of a, [depth, 8] with rows {@code stride} apart, times one panel. */
  private static void tileOfTransposed(
      float[] strip, int at, int stride, float[] panels, int panel, int depth, float[] tile) {
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
      int i = at + k * stride;
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
    s00.intoArray(tile, 0);
    s01.intoArray(tile, N);
    s10.intoArray(tile, WIDTH);
    s11.intoArray(tile, WIDTH + N);
    s20.intoArray(tile, 2 * WIDTH);
    s21.intoArray(tile, 2 * WIDTH + N);
    s30.intoArray(tile, 3 * WIDTH);
    s31.intoArray(tile, 3 * WIDTH + N);
    s40.intoArray(tile, 4 * WIDTH);
    s41.intoArray(tile, 4 * WIDTH + N);
    s50.intoArray(tile, 5 * WIDTH);
    s51.intoArray(tile, 5 * WIDTH + N);
    s60.intoArray(tile, 6 * WIDTH);
    s61.intoArray(tile, 6 * WIDTH + N);
    s70.intoArray(tile, 7 * WIDTH);
    s71.intoArray(tile, 7 * WIDTH + N);
  }
}
