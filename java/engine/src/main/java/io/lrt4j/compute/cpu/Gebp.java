package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import jdk.incubator.vector.FloatVector;

/**
 * Products of a block of rows and panels, on arrays and for one thread: what {@link Gemm} is made
 * of, and what is too small for it. (Goto and van de Geijn call it GEBP.) A panel is {@link #WIDTH}
 * columns of a matrix, row after row; a strip of {@link #STRIP} rows of the other runs along it
 * with all sums of a tile in registers. Every element is summed in the order of the inner
 * dimension.
 */
final class Gebp {
  /** Rows of a tile. */
  static final int STRIP = 8;

  /** Columns of a tile, and of a panel: two vectors. */
  static final int WIDTH = 2 * N;

  private Gebp() {}

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
  static void tile(
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
  static void tileOfTransposed(
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
