/* Attention: scores and weighted sums of a block of queries over a chunk of positions. */
#ifndef ATTENTION_H
#define ATTENTION_H

#include "sums.h"

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
                       const float *const *x, const following *then, float *scores, void *room) {
#if SQUARES
  const char *keys = place(span, span->keys, head, from, dim);
  const char *values = place(span, span->values, head, from, dim);
  if (span->dtype == LRT_DTYPE_F16) {
    score_few(LRT_DTYPE_F16, queries, x, keys, then, values, n, dim, scores, room);
  } else if (span->dtype == LRT_DTYPE_Q8) {
    score_few(LRT_DTYPE_Q8, queries, x, keys, then, values, n, dim, scores, room);
  } else {
    score_few(LRT_DTYPE_F32, queries, x, keys, then, values, n, dim, scores, room);
  }
#else
  (void)span, (void)head, (void)from, (void)n, (void)dim, (void)queries, (void)x, (void)then, (void)scores, (void)room;
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

/*
 * Whether keys or values of n positions are asked for by turns of pages: not where some are missing before the next head's, where
 * there are so few that most is asked for too late, nor where sums take longer than memory, which brings values while keys are
 * added up.
 */
static int by_turns(const lrt_block *b, const lrt_span *span, int n, int queries) {
  const int q8 = span->dtype == LRT_DTYPE_Q8;
  const int most = W < 16 ? (q8 ? 0 : 2) : q8 ? 2 : MOST_FEW;
  return b->asks && queries <= most && b->position >= (q8 ? 4 : 1) * CHUNK && (int64_t)n * b->dim == span->head;
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
  int few = SQUARES && queries <= MOST_FEW && dim % 16 == 0;
  const int at_once = queries <= AT_ONCE ? queries : (queries + 1) / 2;
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
      const following then = {next_place(b, span, 0, h, from, to, end, first_value),
                              by_turns(b, span, to - from, queries)};
      float *scores = room->scores + h * queries * CHUNK + from - start;
      for (int q = 0; q < queries; q += at_once) { /* of the first's keys, the others find all in the caches */
        score_keys(span, b->head + h, from, to - from, dim, smaller(at_once, queries - q), room->rows + q, &then,
                   scores + q * CHUNK, room->values);
      }
    }
  }
  int columns = (high + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int aligned = low / LRT_PANEL * LRT_PANEL;
  sight in_chunk = {b->position + 1 - start - aligned, b->group};
  if (!few) { /* one head */
    for (int q = 0; q < queries; q++) {
      room->rows[q] = b->queries + q / b->group * b->row + q % b->group * dim;
    }
    const following again = {(const char *)room->keys, 0};
    accumulate_all(queries, room->rows, dim, LRT_DTYPE_F32, room->keys + aligned, COLUMN, columns - aligned,
                   room->scores + aligned, CHUNK, 1, &again, &in_chunk, 1);
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
    int of_tile = queries <= MOST_FEW ? high - aligned : seen_by_tile(&in_chunk, q % queries, queries, high - aligned);
    of_tile = (of_tile + W - 1) / W * W;
    soften(room->scores + q * CHUNK + aligned, of_tile, from - aligned, to - aligned, scale,
           &room->largest[q], &room->sums[q]);
  }
  int once = width == dim && queries <= MOST_FEW; /* each is read once, as it lies */
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
      const following then = {next_place(b, span, 1, h, from, to, end, keys_after(b, start)),
                              once && by_turns(b, span, to - from, queries)};
      if (once && span->dtype == LRT_DTYPE_F16) {
        accumulate_all(queries, room->rows, to - from, LRT_DTYPE_F16, values, width, width, partial, width,
                       span == begin, &then, &in_span, 0);
      } else if (once && span->dtype == LRT_DTYPE_Q8) {
        accumulate_all(queries, room->rows, to - from, LRT_DTYPE_Q8, values, width, width, partial, width,
                       span == begin, &then, &in_span, 0);
      } else {
        const int step = APART && queries > MOST_FEW ? width + LRT_PANEL : width;
        const float *plain = rows_of(span, span->values, b->head + h, from, to - from, dim, step, room->values);
        accumulate_all(queries, room->rows, to - from, LRT_DTYPE_F32, plain, step, width, partial, width,
                       span == begin, &then, &in_span, 0);
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
