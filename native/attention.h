/* Attention: scores and weighted sums of a block of queries over a chunk of positions. */
#ifndef ATTENTION_H
#define ATTENTION_H

#include "vectors.h"

#if W == 16
/* The transpose of 16 rows' elements at … at + 15; rows are dim apart. */
INLINE void transpose16(const int dtype, const void *rows, int64_t at, int64_t dim, __m512 columns[16]) {
  __m512 a[16];
  __m512 b[16];
  int64_t step = lrt_bytes(dtype, dim);
  UNROLL for (int i = 0; i < 16; i++) {
    a[i] = (__m512)load_as(dtype, (const char *)rows + i * step, at);
  }
  UNROLL for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4) { /* a[i + j]: column 4 l + j of rows i … i+3 in lane l */
    UNROLL for (int j = 0; j < 2; j++) {
      a[i + 2 * j] = (__m512)_mm512_unpacklo_pd((__m512d)b[i + j], (__m512d)b[i + 2 + j]);
      a[i + 2 * j + 1] = (__m512)_mm512_unpackhi_pd((__m512d)b[i + j], (__m512d)b[i + 2 + j]);
    }
  }
  UNROLL for (int j = 0; j < 4; j++) {
    __m512 low = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);    /* columns j, 8 + j */
    __m512 high = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xDD);   /* columns 4 + j, 12 + j */
    __m512 low2 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
    __m512 high2 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xDD);
    columns[j] = _mm512_shuffle_f32x4(low, low2, 0x88);
    columns[8 + j] = _mm512_shuffle_f32x4(low, low2, 0xDD);
    columns[4 + j] = _mm512_shuffle_f32x4(high, high2, 0x88);
    columns[12 + j] = _mm512_shuffle_f32x4(high, high2, 0xDD);
  }
}

/* columns[c * CHUNK + p] = rows[p * dim + c] from element `at` on, 16 × 16. */
INLINE void store_columns(const int dtype, const void *rows, int64_t at, int64_t dim, float *columns) {
  __m512 some[16];
  transpose16(dtype, rows, at, dim, some);
  UNROLL for (int c = 0; c < 16; c++) { _mm512_storeu_ps(columns + c * CHUNK, some[c]); }
}

/*
 * Scores of few queries with n positions, [n, dim] from element `at` on: columns go from registers
 * into sums, which add in the same order as those of many queries. `room` holds 16 rows. Few queries
 * wait for memory: the values of the same positions are asked for meanwhile.
 */
INLINE void score_few(const int dtype, int queries, const float *const *x, const void *rows,
                      const void *values, int64_t at, int n, int dim, float *scores, char *room) {
  const int square = (int)lrt_bytes(dtype, 16 * 16);
  for (int p = 0; p < n; p += 16, at += 16 * (int64_t)dim) {
    int some = n - p < 16 ? n - p : 16;
    const char *from = (const char *)rows + lrt_bytes(dtype, at);
    const char *next = from + lrt_bytes(dtype, 16 * (int64_t)dim);
    const char *value = (const char *)values + lrt_bytes(dtype, at);
    if (some < 16) { /* what is behind them need not be readable */
      memcpy(room, from, (size_t)lrt_bytes(dtype, (int64_t)some * dim));
      from = room;
    }
    vec sums[TILE_ROWS];
    for (int q = 0; q < queries; q++) {
      sums[q] = all(0);
    }
    for (int c = 0; c < dim; c += 16) {
      __m512 column[16];
      transpose16(dtype, from, c, dim, column);
      UNROLL for (int i = 0; i < square; i += LINE) { /* the next 16 rows, in the order in which they lie */
        __builtin_prefetch(next + c / 16 * square + i);
        __builtin_prefetch(value + c / 16 * square + i, 0, 2);
      }
      for (int q = 0; q < queries; q++) {
        UNROLL for (int i = 0; i < 16; i++) { sums[q] = fused(all(x[q][c + i]), (vec)column[i], sums[q]); }
      }
    }
    for (int q = 0; q < queries; q++) {
      store_some(scores + q * CHUNK + p, sums[q], some);
    }
  }
}
#endif

/* columns[:, 0 … n-1] = the transpose of rows [n, dim]; columns are CHUNK wide. */
static void transpose(const float *rows, int n, int dim, float *columns) {
  int body = 0;
  int even_dim = 0;
#if W == 16
  body = n / 16 * 16;
  even_dim = dim / 16 * 16;
  for (int p = 0; p < body; p += 16) {
    for (int c = 0; c < even_dim; c += 16) {
      store_columns(LRT_DTYPE_F32, rows, (int64_t)p * dim + c, dim, columns + c * CHUNK + p);
    }
  }
#endif
  for (int p = 0; p < n; p++) {
    for (int c = p < body ? even_dim : 0; c < dim; c++) {
      columns[c * CHUNK + p] = rows[(int64_t)p * dim + c];
    }
  }
}

/*
 * y (rows × vectors) += x w from element `at` on, or = where `begin`: row k of w is w_step further.
 * Few rows ask for what comes `after`, of the same form.
 */
INLINE void accumulate(const int rows, const int vectors, const float *const *x, int n,
                       const int dtype, const void *w, int64_t at, int64_t w_step, float *y,
                       int64_t y_stride, int begin, const void *after) {
  const int rest = dtype == LRT_DTYPE_Q8 && W < 16 ? at % LRT_BLOCK : 0; /* of a block, behind its first */
  vec sums[TILE_ROWS][2 * TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      sums[r][v] = begin ? all(0) : load(y + r * y_stride + v * W);
    }
  }
  for (int k = 0; k < n; k++) {
    vec weight[2 * TILE_VECTORS];
    int64_t row = lrt_bytes(dtype, at + k * w_step);
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = load_as(dtype, (const char *)w + row, rest + v * W);
    }
    if (rows <= 2) {
      const char *line = (const char *)after + row;
      UNROLL for (int v = 0; v < vectors; v += dtype == LRT_DTYPE_Q8 ? LINE / W : 1) {
        __builtin_prefetch(line + lrt_bytes(dtype, v * W), 0, 2);
      }
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec a = all(x[r][k]);
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = fused(a, weight[v], sums[r][v]); }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { store(y + r * y_stride + v * W, sums[r][v]); }
  }
}

/* All columns of y, `width` of them, a multiple of a panel; `rows` is a constant. */
INLINE void accumulate_columns(const int rows, const float *const *x, int n, const int dtype,
                               const void *w, int64_t w_step, int width, float *y, int64_t y_stride,
                               int begin, const void *after) {
  int c = 0;
#if W == 16
  if (rows <= 2) { /* whole rows, as they lie in memory */
    for (; c + 2 * TILE_PANELS * LRT_PANEL <= width; c += 2 * TILE_PANELS * LRT_PANEL) {
      accumulate(rows, 2 * TILE_PANELS * PARTS, x, n, dtype, w, c, w_step, y + c, y_stride, begin,
               after);
    }
  }
#endif
  for (; c + TILE_PANELS * LRT_PANEL <= width; c += TILE_PANELS * LRT_PANEL) {
    accumulate(rows, TILE_PANELS * PARTS, x, n, dtype, w, c, w_step, y + c, y_stride, begin,
               after);
  }
#if TILE_PANELS > 2
  for (; c + TILE_PANELS / 2 * LRT_PANEL <= width; c += TILE_PANELS / 2 * LRT_PANEL) {
    accumulate(rows, TILE_PANELS / 2 * PARTS, x, n, dtype, w, c, w_step, y + c, y_stride, begin,
               after);
  }
#endif
  for (; c < width; c += LRT_PANEL) {
    accumulate(rows, PARTS, x, n, dtype, w, c, w_step, y + c, y_stride, begin,
               after);
  }
}

INLINE void accumulate_all(int queries, const float *const *x, int n, const int dtype, const void *w,
                           int64_t w_step, int width, float *y, int64_t y_stride, int begin,
                           const void *after) {
  int r = 0;
  for (; r + TILE_ROWS <= queries; r += TILE_ROWS) {
    accumulate_columns(TILE_ROWS, x + r, n, dtype, w, w_step, width, y + r * y_stride, y_stride,
                       begin, after);
  }
  for (; r + 2 <= queries; r += 2) {
    accumulate_columns(2, x + r, n, dtype, w, w_step, width, y + r * y_stride, y_stride,
                       begin, after);
  }
  if (r < queries) {
    accumulate_columns(1, x + r, n, dtype, w, w_step, width, y + r * y_stride, y_stride,
                       begin, after);
  }
}

/* Turns scores [0, width) of a query, of which it sees [from, to), into exp(score - largest). */
INLINE void soften(float *scores, int width, int from, int to, float scale, float *largest,
                   float *total) {
  const vec nothing = all(-INFINITY);
  ivec lane = {0};
  for (int i = 0; i < W; i++) {
    lane[i] = i;
  }
  vec most = nothing;
  for (int p = 0; p < width; p += W) {
    ivec at = lane + p;
    vec s = choose((at >= from) & (at < to), load(scores + p) * all(scale), nothing);
    store(scores + p, s);
    most = larger(s, most);
  }
  float max = greatest(most);
  if (!(max > -INFINITY)) {
    max = NAN; /* what is wrong with the numbers shows */
  }
  vec sums = all(0);
  for (int p = 0; p < width; p += W) {
    vec e = exponential(load(scores + p) - all(max));
    store(scores + p, e);
    sums += e;
  }
  *largest = max;
  *total = sum(sums);
}

/*
 * Keys or values of `n` positions of a span from `from` on, [n, dim], as f32, `width` apart: where
 * they lie, or else in `room`, widened and padded with zeros.
 */
static const float *rows_of(const lrt_span *span, const void *data, int64_t head, int from, int n,
                            int dim, int width, float *room) {
  int64_t at = head * span->head + (int64_t)(from - span->from) * dim;
  const float *plain = (const float *)data + at;
  int whole = width == dim; /* rows follow each other without a gap */
  if (span->dtype != LRT_DTYPE_F32 && whole) {
    widen(span->dtype, data, at, n * dim, room);
    return room;
  }
  if (span->dtype == LRT_DTYPE_F32 && whole) {
    return plain;
  }
  for (int p = 0; p < n; p++) {
    if (span->dtype != LRT_DTYPE_F32) {
      widen(span->dtype, data, at + (int64_t)p * dim, dim, room + p * width);
    } else {
      memcpy(room + p * width, plain + (int64_t)p * dim, (size_t)dim * sizeof(float));
    }
    memset(room + p * width + dim, 0, (size_t)(width - dim) * sizeof(float));
  }
  return room;
}

/* The transpose of keys of a span: columns[:, 0 … n-1], CHUNK wide. */
static void transpose_keys(const lrt_span *span, int64_t head, int from, int n, int dim,
                           float *columns, float *room) {
  int done = 0;
#if W == 16
  if (span->dtype != LRT_DTYPE_F32 && dim % 16 == 0) {
    int64_t at = head * span->head + (int64_t)(from - span->from) * dim;
    for (; done + 16 <= n; done += 16, at += 16 * (int64_t)dim) {
      for (int c = 0; c < dim; c += 16) {
        float *to = columns + c * CHUNK + done;
        if (span->dtype == LRT_DTYPE_F16) {
          store_columns(LRT_DTYPE_F16, span->keys, at + c, dim, to);
        } else {
          store_columns(LRT_DTYPE_Q8, span->keys, at + c, dim, to);
        }
      }
    }
  }
#endif
  if (done < n) {
    transpose(rows_of(span, span->keys, head, from + done, n - done, dim, dim, room), n - done, dim,
              columns + done);
  }
}

/* Scores of few queries with keys of a span, side by side; dim is a multiple of 16. */
static void score_keys(const lrt_span *span, int64_t head, int from, int n, int dim, int queries,
                       const float *const *x, float *scores, void *room) {
#if W == 16
  int64_t at = head * span->head + (int64_t)(from - span->from) * dim;
  if (span->dtype == LRT_DTYPE_F16) {
    score_few(LRT_DTYPE_F16, queries, x, span->keys, span->values, at, n, dim, scores, room);
  } else if (span->dtype == LRT_DTYPE_Q8) {
    score_few(LRT_DTYPE_Q8, queries, x, span->keys, span->values, at, n, dim, scores, room);
  } else {
    score_few(LRT_DTYPE_F32, queries, x, span->keys, span->values, at, n, dim, scores, room);
  }
#else
  (void)span, (void)head, (void)from, (void)n, (void)dim, (void)queries, (void)x, (void)scores, (void)room;
#endif
}

/*
 * Where the keys lie that will be read when the values of positions from `from` on have been: those
 * of the next chunk, or of the next head's beginning. (There may be none.)
 */
static const void *keys_after(const lrt_block *b, int from) {
  const lrt_span *span = b->run->span;
  const lrt_span *end = span + b->run->spans;
  int64_t head = b->head;
  int position = from + CHUNK;
  if (position >= end[-1].to) {
    head++;
    position = from % CHUNK;
  }
  while (position >= span->to) {
    span++;
  }
  int64_t at = head * span->head + (int64_t)(position - span->from) * b->dim;
  return (const char *)span->keys + lrt_bytes(span->dtype, at);
}

static void attend(const lrt_block *b, int chunk, const lrt_attention_room *room) {
  int dim = b->dim;
  int width = (dim + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int start = chunk * CHUNK;
  int queries = b->rows * b->group;
  int64_t first = (int64_t)b->position + 1 - b->window;
  int low = first > start ? (int)first - start : 0; /* of the chunk, whatever any row sees */
  int high = b->position + b->rows - start < CHUNK ? b->position + b->rows - start : CHUNK;
  for (int q = 0; q < queries; q++) {
    room->rows[q] = b->queries + q / b->group * b->row + q % b->group * dim;
  }
  int few = W == 16 && queries <= TILE_ROWS && dim % 16 == 0;
  for (int s = 0; s < b->run->spans; s++) {
    const lrt_span *span = b->run->span + s;
    int from = span->from > start + low ? span->from : start + low;
    int to = span->to < start + high ? span->to : start + high;
    if (from >= to) {
      continue;
    }
    if (few) {
      score_keys(span, b->head, from, to - from, dim, queries, room->rows, room->scores + from - start,
                 room->values);
    } else {
      transpose_keys(span, b->head, from, to - from, dim, room->keys + from - start, room->values);
    }
  }
  int columns = (high + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int aligned = low / LRT_PANEL * LRT_PANEL;
  if (!few) {
    accumulate_all(queries, room->rows, dim, LRT_DTYPE_F32, room->keys + aligned, CHUNK, columns - aligned,
                   room->scores + aligned, CHUNK, 1, room->keys);
  }
  float scale = (float)(1 / sqrt((double)dim));
  for (int q = 0; q < queries; q++) {
    int end = b->position + q / b->group + 1;
    int64_t begin = (int64_t)end - b->window;
    int from = begin > start ? (int)begin - start : 0;
    int to = end - start < CHUNK ? end - start : CHUNK;
    if (from >= to) { /* sees nothing here */
      room->largest[q] = -INFINITY;
      memset(room->scores + q * CHUNK + aligned, 0, (size_t)(columns - aligned) * sizeof(float));
      continue;
    }
    soften(room->scores + q * CHUNK + aligned, columns - aligned, from - aligned, to - aligned, scale,
           &room->largest[q], &room->sums[q]);
  }
  int begun = 0;
  for (int s = 0; s < b->run->spans; s++) {
    const lrt_span *span = b->run->span + s;
    int from = span->from > start + low ? span->from : start + low;
    int to = span->to < start + high ? span->to : start + high;
    if (from >= to) {
      continue;
    }
    for (int q = 0; q < queries; q++) {
      room->rows[q] = room->scores + q * CHUNK + from - start;
    }
    int once = width == dim && queries <= TILE_ROWS; /* each is read once, as it lies */
    int64_t at = b->head * span->head + (int64_t)(from - span->from) * dim;
    const void *after = keys_after(b, from);
    if (once && span->dtype == LRT_DTYPE_F16) {
      accumulate_all(queries, room->rows, to - from, LRT_DTYPE_F16, (const uint16_t *)span->values + at,
                     width, width, room->partial, width, !begun, after);
    } else if (once && span->dtype == LRT_DTYPE_Q8) {
      accumulate_all(queries, room->rows, to - from, LRT_DTYPE_Q8,
                     (const char *)span->values + lrt_bytes(LRT_DTYPE_Q8, at), width, width,
                     room->partial, width, !begun, after);
    } else {
      const float *values = rows_of(span, span->values, b->head, from, to - from, dim, width, room->values);
      accumulate_all(queries, room->rows, to - from, LRT_DTYPE_F32, values, width, width, room->partial,
                     width, !begun, after);
    }
    begun = 1;
  }
}

static void merge(float *m, float *s, float *o, float chunk_m, float chunk_s, const float *chunk_o,
                  int dim) {
  float largest = *m > chunk_m ? *m : chunk_m;
  float mine = exponential(all(*m - largest))[0];
  float theirs = exponential(all(chunk_m - largest))[0];
  int i = 0;
  for (; i + W <= dim; i += W) {
    store(o + i, fused(load(o + i), all(mine), load(chunk_o + i) * all(theirs)));
  }
  for (; i < dim; i++) {
    o[i] = fused(all(o[i]), all(mine), all(chunk_o[i]) * all(theirs))[0];
  }
  *m = largest;
  *s = *s * mine + chunk_s * theirs;
}

static void divide(const float *o, float s, int dim, float *out) {
  float scale = 1 / s;
  int i = 0;
  for (; i + W <= dim; i += W) {
    store(out + i, load(o + i) * all(scale));
  }
  for (; i < dim; i++) {
    out[i] = o[i] * scale;
  }
}

#endif
