/*
 * Sums of rows times numbers: weighted values, and the scores of many queries out of keys that are transposed already. Few
 * queries' are read as they lie, many queries' strip by strip.
 */
#ifndef SUMS_H
#define SUMS_H

#include "scores.h"

#define FEW_COLUMNS (2 * TILE_PANELS * LRT_PANEL) /* at a time, of few rows */
#define ROWS_AT_ONCE 16 /* of them */

/*
 * y (rows × vectors) += x w from element `at` on, or = where `begin`: row k of w is w_step further, for k from …
 * to-1. Where `then` is not null, every row asks for as much from `ahead` on, one behind the other, or by turns of pages for what is
 * behind it, up to `end`, which `then` follows.
 */
INLINE void accumulate(const int rows, const int vectors, const float *const *x, int from, int to,
                       const int dtype, const void *w, int64_t at, int64_t w_step, float *y,
                       int64_t y_stride, int begin, const char *ahead, const char *end, const following *then) {
  const int rest = dtype == LRT_DTYPE_Q8 && W < 16 ? at % LRT_BLOCK : 0; /* of a block, behind its first */
  vec sums[TILE_ROWS][2 * TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      sums[r][v] = begin ? all(0) : load(y + r * y_stride + v * W);
    }
  }
  for (int k = from; k < to; k++) {
    vec weight[2 * TILE_VECTORS];
    int64_t row = lrt_bytes(dtype, at + k * w_step);
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = load_as(dtype, (const char *)w + row, rest + v * W);
    }
    if (then && asked_by_turns(dtype, then)) {
      ask_by_turns((int)lrt_bytes(dtype, vectors * W), (const char *)w + row, end, then);
    } else if (then) {
      UNROLL for (int line = 0; line < (int)lrt_bytes(dtype, vectors * W); line += LINE) { ask_soon(dtype, ahead + line); }
      ahead += lrt_bytes(dtype, vectors * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec a = all(x[r][k]);
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], a, weight[v]); }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { store(y + r * y_stride + v * W, sums[r][v]); }
  }
}

/* Columns c … end-1 of y, whole panels, for all n rows of w; `rows` is a constant. */
INLINE void accumulate_columns(const int rows, const float *const *x, int n, const int dtype,
                               const void *w, int64_t w_step, int c, int end, float *y, int64_t y_stride,
                               int begin) {
  for (; c + TILE_PANELS * LRT_PANEL <= end; c += TILE_PANELS * LRT_PANEL) {
    accumulate(rows, TILE_PANELS * PARTS, x, 0, n, dtype, w, c, w_step, y + c, y_stride, begin, NULL, NULL, NULL);
  }
#if TILE_PANELS > 2
  for (; c + TILE_PANELS / 2 * LRT_PANEL <= end; c += TILE_PANELS / 2 * LRT_PANEL) {
    accumulate(rows, TILE_PANELS / 2 * PARTS, x, 0, n, dtype, w, c, w_step, y + c, y_stride, begin, NULL, NULL, NULL);
  }
#endif
  for (; c < end; c += LRT_PANEL) {
    accumulate(rows, PARTS, x, 0, n, dtype, w, c, w_step, y + c, y_stride, begin, NULL, NULL, NULL);
  }
}

/*
 * All columns for few rows, which wait for memory: it is read as it lies, some rows of w after the others, though their columns
 * need several runs, of `columns` each, where registers are few. Each run asks for its share of what comes next, which in the end
 * is `then`, or for nothing if that is null.
 */
INLINE void accumulate_few(const int rows, const int columns, const float *const *x, int n, const int dtype, const void *w,
                           int64_t w_step, int width, float *y, int64_t y_stride, int begin,
                           const following *then) {
  const char *end = (const char *)w + lrt_bytes(dtype, n * w_step);
  for (int from = 0; from < n; from += ROWS_AT_ONCE) {
    int to = n - from < ROWS_AT_ONCE ? n : from + ROWS_AT_ONCE;
    const char *ahead = to < n || !then ? (const char *)w + lrt_bytes(dtype, to * w_step) : then->from;
    int c = 0;
    for (; c + columns <= width; c += columns) {
      accumulate(rows, columns / W, x, from, to, dtype, w, c, w_step, y + c, y_stride, begin && !from,
                 ahead + (to - from) * lrt_bytes(dtype, c), end, then);
    }
#if FEW_COLUMNS > LRT_BLOCK
    for (; columns > LRT_BLOCK && c + LRT_BLOCK <= width; c += LRT_BLOCK) { /* q8 has no half of a block */
      accumulate(rows, LRT_BLOCK / W, x, from, to, dtype, w, c, w_step, y + c, y_stride, begin && !from,
                 ahead + (to - from) * lrt_bytes(dtype, c), end, then);
    }
#endif
    for (; c < width; c += LRT_PANEL) {
      accumulate(rows, PARTS, x, from, to, dtype, w, c, w_step, y + c, y_stride, begin && !from,
                 ahead + (to - from) * lrt_bytes(dtype, c), end, then);
    }
  }
}

/* How much queries see of what begins at some position: query q, and all of a `group` in one row, first + q / group of it. */
typedef struct {
  int first;
  int group;
} sight;

/* Of n positions, those that any query of q's tile sees; there may be fewer queries than it has place for. */
INLINE int seen_by_tile(const sight *s, int q, int queries, int n) {
  int last = q / TILE_ROWS * TILE_ROWS + TILE_ROWS - 1;
  int most = s->first + (last < queries ? last : queries - 1) / s->group;
  return most < 0 ? 0 : most < n ? most : n;
}

/*
 * y (queries × width) += x w, or = where `begin`. Many queries take some columns of w after the others, which then stay in
 * the first cache; few queries read w in long runs, if there are the registers three, four or six of them at once (f32, which
 * nothing widens, if they are six or more; six of q8 by columns, as many do). What no query of a tile sees is left out, of columns
 * (scores, of keys) or of rows of w (values).
 */
INLINE void accumulate_all(int queries, const float *const *x, int n, const int dtype, const void *w,
                           int64_t w_step, int width, float *y, int64_t y_stride, int begin,
                           const following *then, const sight *s, const int scores) {
  const int strip = TILE_PANELS * LRT_PANEL;
  const int few = W == 16 && queries <= MOST_FEW;
  const int shared = few && (dtype != LRT_DTYPE_F32 || queries >= TILE_ROWS); /* what is read, among more than two */
  const int by_fours = queries == 7 || queries == 8;
  const int tiles = few && (dtype != LRT_DTYPE_Q8 || by_fours) ? 0 : queries / TILE_ROWS; /* q8 takes longer than memory */
  int r = 0;
  for (int c = 0; tiles && c < width; c += strip) {
    int end = width - c < strip ? width : c + strip;
    for (r = 0; r < tiles * TILE_ROWS; r += TILE_ROWS) {
      int rows = scores ? n : seen_by_tile(s, r, queries, n);
      int columns = scores ? (seen_by_tile(s, r, queries, end) + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL : end;
      accumulate_columns(TILE_ROWS, x + r, rows, dtype, w, w_step, c, columns, y + r * y_stride, y_stride, begin);
    }
  }
  for (int next; r < queries; r = next, then = shared ? NULL : then) { /* it has been asked for */
    const int left = queries - r;
    float *sums = y + r * y_stride;
    next = r + (!shared || left <= 2 ? smaller(left, 2) : left == 3 || left == 5 ? 3 : left == 6 || left > 8 ? 6 : 4);
    switch (next - r) {
#if W == 16
      case 6:
        accumulate_few(6, strip, x + r, n, dtype, w, w_step, width, sums, y_stride, begin, then);
        break;
      case 4:
        accumulate_few(4, strip, x + r, n, dtype, w, w_step, width, sums, y_stride, begin, then);
        break;
      case 3:
        accumulate_few(3, strip, x + r, n, dtype, w, w_step, width, sums, y_stride, begin, then);
        break;
#endif
      case 2:
        accumulate_few(2, FEW_COLUMNS, x + r, n, dtype, w, w_step, width, sums, y_stride, begin, then);
        break;
      default:
        accumulate_few(1, FEW_COLUMNS, x + r, n, dtype, w, w_step, width, sums, y_stride, begin, then);
    }
  }
}

#endif
