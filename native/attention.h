/* Attention: scores and weighted sums of a block of queries over a chunk of positions. */
#ifndef ATTENTION_H
#define ATTENTION_H

#include "squares.h"

#define MOST_SQUARES (W == 16 ? 2 : 4) /* below */
#define VALUES_ASKED 4 /* lines of values for one that is asked for while few queries' scores are added up */

/*
 * Asks for what is read next: f32 into the second cache, as products do; of f16 and q8, which take longer to
 * widen, less is on its way at a time, and the first has room.
 */
INLINE void ask_soon(const int dtype, const char *line) {
  if (dtype == LRT_DTYPE_F32) {
    __builtin_prefetch(line, 0, 2);
  } else {
    __builtin_prefetch(line);
  }
}

#if SQUARES
/*
 * Numbers of queries. With AVX-512 every square reads them for itself, as an operand: kept for the next one, they would take
 * registers from columns.
 */
INLINE const float *numbers(const float *a) {
#if W == 16
  __asm__("" : "+r"(a));
#endif
  return a;
}

#if W == 16
/* Asks for what a square of f32 has beside its columns, into the first cache: from the second, it takes longer than to add. */
INLINE void ask_beside(const char *square, int64_t step) {
  UNROLL for (int i = 0; i < W; i += 4) {
    const char *four = counted_from(square + i * step + LINE);
    UNROLL for (int j = 0; j < 4; j++) { __builtin_prefetch(four + j * step); }
  }
}
#endif

/* Adds the products of queries and a square's columns, which are elements c, c + 1, … of W rows `from` on. */
INLINE void add_square(const int dtype, const int squares, int queries, const float *const *x, const char *from,
                       int c, int dim, vec sums[TILE_ROWS]) {
#if W == 8
  (void)squares;
  const int64_t step = lrt_bytes(dtype, dim);
  const char *square = from + lrt_bytes(dtype, c);
  const vec scales = dtype == LRT_DTYPE_Q8 ? scales_of(square, step) : all(0);
  const int in_four = dtype == LRT_DTYPE_Q8 ? 4 : dtype == LRT_DTYPE_F16 ? 2 : 1; /* columns */
  UNROLL for (int half = 0; half < 2; half++) { /* 16 registers hold no whole square and sums */
    ivec fours[4];
    transpose_half(square + (dtype == LRT_DTYPE_Q8 ? 2 : 0) + half * 16, step, fours);
    UNROLL for (int i = 0; i < 4; i++) {
      vec column[4];
      if (dtype == LRT_DTYPE_F16) {
        widen_two(fours[i], &column[0], &column[1]);
      }
      UNROLL for (int j = 0; j < in_four; j++) {
        if (dtype == LRT_DTYPE_F32) {
          column[j] = (vec)fours[i];
        } else if (dtype == LRT_DTYPE_Q8) {
          column[j] = widen_byte(fours[i], j, scales);
        }
        int at = c + (half * 4 + i) * in_four + j;
        UNROLL_TWO for (int q = 0; q < queries; q++) { add_product(&sums[q], all(x[q][at]), column[j]); }
      }
    }
  }
#else
  square of;
  begin_square(dtype, from, c, dim, &of);
  UNROLL for (int part = 0; part < square_width(dtype) / 16; part++) {
    vec column[16];
    widen_columns(dtype, &of, part, from, c, dim, column);
    int at = c + part * 16;
    if (dtype != LRT_DTYPE_F32 && squares > 1) { /* one or two queries: columns are used up as they come */
      const float *a[TILE_ROWS];
      UNROLL_TWO for (int q = 0; q < queries; q++) { a[q] = numbers(x[q] + at); }
      UNROLL for (int i = 0; i < 16; i++) {
        UNROLL_TWO for (int q = 0; q < queries; q++) { add_product(&sums[q], all(a[q][i]), column[i]); }
      }
    } else {
      UNROLL_TWO for (int q = 0; q < queries; q++) {
        const float *a = numbers(x[q] + at);
        UNROLL for (int i = 0; i < 16; i++) { add_product(&sums[q], all(a[i]), column[i]); }
      }
    }
  }
#endif
}

/*
 * Scores of few queries with `squares` times W positions, rows [n, dim]: columns go from registers
 * into sums, which add in the same order as those of many queries. A sum waits for itself, so that
 * several squares take hardly longer than one. `next` is what is read then. Sums take longer than memory, which can
 * bring `values` meanwhile: all of them where one square at a time is for more queries, else a line of some, whose
 * neighbours come faster then.
 */
INLINE void score_squares(const int dtype, const int squares, int queries, const float *const *x,
                          const char *rows, const char *next, const char *values, int dim, int some,
                          float *scores) {
  const int width = square_width(dtype);
  const int bytes = (int)lrt_bytes(dtype, W * width); /* of a square */
  vec sums[MOST_SQUARES][TILE_ROWS];
  UNROLL for (int s = 0; s < squares; s++) {
    UNROLL_TWO for (int q = 0; q < queries; q++) { sums[s][q] = all(0); }
  }
  for (int c = 0; c < dim; c += width) {
    UNROLL for (int s = 0; s < squares; s++) {
      UNROLL for (int i = 0; i < bytes; i += LINE) { /* as they lie, and behind what is read now */
        int64_t line = (c / width * squares + s) * bytes + i;
        ask_soon(dtype, next + line);
        if (squares == 1 || i % (VALUES_ASKED * LINE) == 0) {
          __builtin_prefetch(values + line, 0, 2);
        }
      }
      const char *square = rows + lrt_bytes(dtype, s * W * (int64_t)dim);
#if W == 16
      if (dtype == LRT_DTYPE_F32) {
        ask_beside(square + lrt_bytes(dtype, c), lrt_bytes(dtype, dim));
      }
#endif
      add_square(dtype, squares, queries, x, square, c, dim, sums[s]);
    }
  }
  UNROLL for (int s = 0; s < squares; s++) {
    UNROLL_TWO for (int q = 0; q < queries; q++) { store_some(scores + q * CHUNK + s * W, sums[s][q], some); }
  }
}

/* Likewise with n positions. `room` holds W rows; `after` is what is read when all n have been. */
INLINE void score_rows(const int dtype, const int squares, int queries, const float *const *x,
                       const char *rows, const char *after, const char *values, int n, int dim,
                       float *scores, char *room) {
  int p = 0;
  for (int more = W * squares; p + more <= n; p += more) {
    const char *from = rows + lrt_bytes(dtype, p * (int64_t)dim);
    const char *next = p + more < n ? from + lrt_bytes(dtype, more * (int64_t)dim) : after;
    score_squares(dtype, squares, queries, x, from, next, values + (from - rows), dim, W, scores + p);
  }
  for (; p < n; p += W) {
    int some = n - p < W ? n - p : W;
    const char *from = rows + lrt_bytes(dtype, p * (int64_t)dim);
    const char *next = p + W < n ? from + lrt_bytes(dtype, W * (int64_t)dim) : after;
    const char *value = values + (from - rows);
    if (some < W) { /* what is behind them need not be readable */
      memcpy(room, from, (size_t)lrt_bytes(dtype, (int64_t)some * dim));
      from = room;
    }
    score_squares(dtype, 1, queries, x, from, next, value, dim, some, scores + p);
  }
}

INLINE void score_few(const int dtype, int queries, const float *const *x, const char *rows,
                      const char *after, const char *values, int n, int dim, float *scores, char *room) {
  if (queries == 1) {
    score_rows(dtype, MOST_SQUARES, 1, x, rows, after, values, n, dim, scores, room);
  } else if (queries == 2) {
    score_rows(dtype, 2, 2, x, rows, after, values, n, dim, scores, room);
  } else { /* that many sums do not wait */
    score_rows(dtype, 1, queries, x, rows, after, values, n, dim, scores, room);
  }
}
#endif

/* columns[:, 0 … n-1] = the transpose of rows [n, dim]; columns are COLUMN apart. */
static void transpose(const float *rows, int n, int dim, float *columns) {
  int body = 0;
  int even_dim = 0;
#if SQUARES
  body = n / W * W;
  const int columns_at_once = square_width(LRT_DTYPE_F32);
  even_dim = dim / columns_at_once * columns_at_once;
  for (int p = 0; p < body; p += W) {
    for (int c = 0; c < even_dim; c += columns_at_once) {
      store_columns(LRT_DTYPE_F32, (const char *)rows, (int64_t)p * dim + c, dim, columns + c * COLUMN + p);
    }
  }
#endif
  for (int p = 0; p < n; p++) {
    for (int c = p < body ? even_dim : 0; c < dim; c++) {
      columns[c * COLUMN + p] = rows[(int64_t)p * dim + c];
    }
  }
}

#define FEW_COLUMNS (2 * TILE_PANELS * LRT_PANEL) /* at a time, of few rows */
#define ROWS_AT_ONCE 16 /* of them */

/*
 * y (rows × vectors) += x w from element `at` on, or = where `begin`: row k of w is w_step further, for k from …
 * to-1. Where `ahead` is not null, every row asks for as much there, one behind the other.
 */
INLINE void accumulate(const int rows, const int vectors, const float *const *x, int from, int to,
                       const int dtype, const void *w, int64_t at, int64_t w_step, float *y,
                       int64_t y_stride, int begin, const char *ahead) {
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
    if (ahead) {
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
    accumulate(rows, TILE_PANELS * PARTS, x, 0, n, dtype, w, c, w_step, y + c, y_stride, begin, NULL);
  }
#if TILE_PANELS > 2
  for (; c + TILE_PANELS / 2 * LRT_PANEL <= end; c += TILE_PANELS / 2 * LRT_PANEL) {
    accumulate(rows, TILE_PANELS / 2 * PARTS, x, 0, n, dtype, w, c, w_step, y + c, y_stride, begin, NULL);
  }
#endif
  for (; c < end; c += LRT_PANEL) {
    accumulate(rows, PARTS, x, 0, n, dtype, w, c, w_step, y + c, y_stride, begin, NULL);
  }
}

/*
 * All columns for few rows, which wait for memory: it is read as it lies, some rows of w after the others, though their columns
 * need several runs where registers are few. Each run asks for its share of what comes next, which in the end is `after`.
 */
INLINE void accumulate_few(const int rows, const float *const *x, int n, const int dtype, const void *w,
                           int64_t w_step, int width, float *y, int64_t y_stride, int begin,
                           const void *after) {
  for (int from = 0; from < n; from += ROWS_AT_ONCE) {
    int to = n - from < ROWS_AT_ONCE ? n : from + ROWS_AT_ONCE;
    const char *ahead = to < n ? (const char *)w + lrt_bytes(dtype, to * w_step) : (const char *)after;
    int c = 0;
    for (; c + FEW_COLUMNS <= width; c += FEW_COLUMNS) {
      accumulate(rows, 2 * TILE_PANELS * PARTS, x, from, to, dtype, w, c, w_step, y + c, y_stride, begin && !from,
                 ahead + (to - from) * lrt_bytes(dtype, c));
    }
#if FEW_COLUMNS > LRT_BLOCK
    for (; c + LRT_BLOCK <= width; c += LRT_BLOCK) { /* q8 has no half of a block */
      accumulate(rows, LRT_BLOCK / W, x, from, to, dtype, w, c, w_step, y + c, y_stride, begin && !from,
                 ahead + (to - from) * lrt_bytes(dtype, c));
    }
#endif
    for (; c < width; c += LRT_PANEL) {
      accumulate(rows, PARTS, x, from, to, dtype, w, c, w_step, y + c, y_stride, begin && !from,
                 ahead + (to - from) * lrt_bytes(dtype, c));
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
 * the first cache; few queries read w in long runs. What no query of a tile sees is left out, of columns (scores, of keys) or of
 * rows of w (values).
 */
INLINE void accumulate_all(int queries, const float *const *x, int n, const int dtype, const void *w,
                           int64_t w_step, int width, float *y, int64_t y_stride, int begin,
                           const void *after, const sight *s, const int scores) {
  const int strip = TILE_PANELS * LRT_PANEL;
  int r = 0;
  for (int c = 0; queries >= TILE_ROWS && c < width; c += strip) {
    int end = width - c < strip ? width : c + strip;
    for (r = 0; r + TILE_ROWS <= queries; r += TILE_ROWS) {
      int rows = scores ? n : seen_by_tile(s, r, queries, n);
      int columns = scores ? (seen_by_tile(s, r, queries, end) + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL : end;
      accumulate_columns(TILE_ROWS, x + r, rows, dtype, w, w_step, c, columns, y + r * y_stride, y_stride, begin);
    }
  }
  for (; r + 2 <= queries; r += 2) {
    accumulate_few(2, x + r, n, dtype, w, w_step, width, y + r * y_stride, y_stride, begin, after);
  }
  if (r < queries) {
    accumulate_few(1, x + r, n, dtype, w, w_step, width, y + r * y_stride, y_stride, begin, after);
  }
}

/* W scores from p on, of which a query sees those in [from, to); the others are -inf. */
INLINE vec seen(const float *scores, int p, int from, int to) {
  vec s = load(scores + p);
  if (p >= from && p + W <= to) {
    return s;
  }
  ivec at = {0};
  for (int i = 0; i < W; i++) {
    at[i] = p + i;
  }
  return choose((at >= from) & (at < to), s, all(-INFINITY));
}

/* Turns scores [0, width) of a query, of which it sees [from, to), into exp(score - largest), both times scale. */
INLINE void soften(float *scores, int width, int from, int to, float scale, float *largest,
                   float *total) {
  vec most = all(-INFINITY);
  for (int p = 0; p < width; p += W) {
    most = larger(seen(scores, p, from, to), most);
  }
  float max = greatest(most) * scale;
  if (!(max > -INFINITY)) {
    max = NAN; /* what is wrong with the numbers shows */
  }
  vec sums = all(0);
  for (int p = 0; p < width; p += W) {
    vec e = exponential(seen(scores, p, from, to) * all(scale) - all(max));
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

/* The transpose of keys of a span: columns[:, 0 … n-1], COLUMN apart. */
static void transpose_keys(const lrt_span *span, int64_t head, int from, int n, int dim,
                           float *columns, float *room) {
  int done = 0;
#if SQUARES
  if (span->dtype != LRT_DTYPE_F32 && dim % 16 == 0) {
    int64_t at = head * span->head + (int64_t)(from - span->from) * dim;
    for (; done + W <= n; done += W, at += W * (int64_t)dim) {
      for (int c = 0; span->dtype == LRT_DTYPE_F16 && c < dim; c += square_width(LRT_DTYPE_F16)) {
        store_columns(LRT_DTYPE_F16, span->keys, at + c, dim, columns + c * COLUMN + done);
      }
      for (int c = 0; span->dtype == LRT_DTYPE_Q8 && c < dim; c += square_width(LRT_DTYPE_Q8)) {
        store_columns(LRT_DTYPE_Q8, span->keys, at + c, dim, columns + c * COLUMN + done);
      }
    }
  }
#endif
  if (done < n) {
    transpose(rows_of(span, span->keys, head, from + done, n - done, dim, dim, room), n - done, dim,
              columns + done);
  }
}

/* Where the keys or values of a head and a position of a span lie. */
static const char *place(const lrt_span *span, const void *data, int64_t head, int position, int dim) {
  return (const char *)data + lrt_bytes(span->dtype, head * span->head + (int64_t)(position - span->from) * dim);
}

/* Scores of few queries with keys of a span, side by side; dim is a multiple of 16. */
static void score_keys(const lrt_span *span, int64_t head, int from, int n, int dim, int queries,
                       const float *const *x, const char *after, float *scores, void *room) {
#if SQUARES
  const char *keys = place(span, span->keys, head, from, dim);
  const char *values = place(span, span->values, head, from, dim);
  if (span->dtype == LRT_DTYPE_F16) {
    score_few(LRT_DTYPE_F16, queries, x, keys, after, values, n, dim, scores, room);
  } else if (span->dtype == LRT_DTYPE_Q8) {
    score_few(LRT_DTYPE_Q8, queries, x, keys, after, values, n, dim, scores, room);
  } else {
    score_few(LRT_DTYPE_F32, queries, x, keys, after, values, n, dim, scores, room);
  }
#else
  (void)span, (void)head, (void)from, (void)n, (void)dim, (void)queries, (void)x, (void)after, (void)scores, (void)room;
#endif
}

/*
 * Where the keys lie that are read when a chunk has been: those of the next one, or of the next
 * task's beginning. (There may be none.)
 */
static const char *keys_after(const lrt_block *b, int start) {
  const lrt_span *span = b->run->span;
  int64_t head = b->head;
  int position = start + CHUNK;
  if (position >= span[b->run->spans - 1].to) {
    head += b->heads;
    int64_t first = (int64_t)b->position + 1 - b->window;
    position = first > 0 ? (int)first : 0;
  }
  while (position >= span->to) {
    span++;
  }
  return place(span, span->keys, head, position, b->dim);
}

/*
 * What is read after a head's keys (or values) at positions from … to-1 of a span: the next head's,
 * or the first head's of the next span, and behind a chunk's `end` what comes `last`.
 */
static const char *next_place(const lrt_block *b, const lrt_span *span, int values, int head, int from,
                              int to, int end, const char *last) {
  if (head + 1 < b->heads) {
    return place(span, values ? span->values : span->keys, b->head + head + 1, from, b->dim);
  }
  span++;
  return to < end ? place(span, values ? span->values : span->keys, b->head, to, b->dim) : last;
}

/* Whether many queries' values are copied first, each a line further: a tile has one line of each, which else meet in few sets. */
#define APART (TILE_PANELS * LRT_PANEL * 4 == LINE)

static void attend(const lrt_block *b, int chunk, const lrt_attention_room *room) {
  int dim = b->dim;
  int width = (dim + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int start = chunk * CHUNK;
  int queries = b->rows * b->group; /* of a key/value head */
  int64_t first = (int64_t)b->position + 1 - b->window;
  int low = first > start ? (int)first - start : 0; /* of the chunk, whatever any row sees */
  int high = b->position + b->rows - start < CHUNK ? b->position + b->rows - start : CHUNK;
  int end = start + high;
  int few = SQUARES && queries <= TILE_ROWS && dim % 16 == 0;
  const lrt_span *begin = b->run->span;
  while (begin->to <= start + low) {
    begin++;
  }
  const char *first_value = place(begin, begin->values, b->head, start + low, dim);
  const lrt_span *behind = b->run->span + b->run->spans;
  for (const lrt_span *span = begin; span < behind && span->from < end; span++) {
    int from = span->from > start + low ? span->from : start + low;
    int to = span->to < end ? span->to : end;
    for (int h = 0; h < b->heads; h++) {
      if (!few) {
        transpose_keys(span, b->head + h, from, to - from, dim, room->keys + from - start, room->values);
        continue;
      }
      for (int q = 0; q < queries; q++) {
        room->rows[q] = b->queries + q / b->group * b->row + (h * b->group + q % b->group) * dim;
      }
      score_keys(span, b->head + h, from, to - from, dim, queries, room->rows,
                 next_place(b, span, 0, h, from, to, end, first_value),
                 room->scores + h * queries * CHUNK + from - start, room->values);
    }
  }
  int columns = (high + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int aligned = low / LRT_PANEL * LRT_PANEL;
  sight in_chunk = {b->position + 1 - start - aligned, b->group};
  if (!few) { /* one head */
    for (int q = 0; q < queries; q++) {
      room->rows[q] = b->queries + q / b->group * b->row + q % b->group * dim;
    }
    accumulate_all(queries, room->rows, dim, LRT_DTYPE_F32, room->keys + aligned, COLUMN, columns - aligned,
                   room->scores + aligned, CHUNK, 1, room->keys, &in_chunk, 1);
  }
  float scale = (float)(1 / sqrt((double)dim));
  for (int q = 0; q < queries * b->heads; q++) {
    int seen = b->position + q % queries / b->group + 1;
    int64_t from_there = (int64_t)seen - b->window;
    int from = from_there > start ? (int)from_there - start : 0;
    int to = seen - start < CHUNK ? seen - start : CHUNK;
    if (from >= to) { /* sees nothing here */
      room->largest[q] = -INFINITY;
      memset(room->scores + q * CHUNK + aligned, 0, (size_t)(columns - aligned) * sizeof(float));
      continue;
    }
    int of_tile = (seen_by_tile(&in_chunk, q % queries, queries, high - aligned) + W - 1) / W * W;
    soften(room->scores + q * CHUNK + aligned, of_tile, from - aligned, to - aligned, scale,
           &room->largest[q], &room->sums[q]);
  }
  int once = width == dim && queries <= TILE_ROWS; /* each is read once, as it lies */
  for (const lrt_span *span = begin; span < behind && span->from < end; span++) {
    int from = span->from > start + low ? span->from : start + low;
    int to = span->to < end ? span->to : end;
    sight in_span = {b->position + 1 - from, b->group};
    for (int h = 0; h < b->heads; h++) {
      for (int q = 0; q < queries; q++) {
        room->rows[q] = room->scores + (h * queries + q) * CHUNK + from - start;
      }
      float *partial = room->partial + (int64_t)h * queries * width;
      const char *values = place(span, span->values, b->head + h, from, dim);
      const char *after = next_place(b, span, 1, h, from, to, end, keys_after(b, start));
      if (once && span->dtype == LRT_DTYPE_F16) {
        accumulate_all(queries, room->rows, to - from, LRT_DTYPE_F16, values, width, width, partial, width,
                       span == begin, after, &in_span, 0);
      } else if (once && span->dtype == LRT_DTYPE_Q8) {
        accumulate_all(queries, room->rows, to - from, LRT_DTYPE_Q8, values, width, width, partial, width,
                       span == begin, after, &in_span, 0);
      } else {
        const int step = APART && queries > TILE_ROWS ? width + LRT_PANEL : width;
        const float *plain = rows_of(span, span->values, b->head + h, from, to - from, dim, step, room->values);
        accumulate_all(queries, room->rows, to - from, LRT_DTYPE_F32, plain, step, width, partial, width,
                       span == begin, after, &in_span, 0);
      }
    }
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
